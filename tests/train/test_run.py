"""The loop over a training's calls: what stops it."""

import os
import signal
import threading

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.train.state.checkpoints import list_checkpoints
from tests.datasets import spots, write_dataset
from tests.train.conftest import Run


def test_loss_that_is_no_number_names_the_steps(new_run, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.components.train.training.make_loop", lambda *_: lambda *_: float("nan")
    )
    with pytest.raises(
        DataError, match="steps 0 to 4: training diverged: the loss became nan"
    ) as caught:
        new_run.train()
    assert caught.value.found == "last good checkpoint: none"
    assert not os.path.exists(new_run.model)


def test_pixel_that_is_no_number_names_the_last_good_checkpoint(tmp_path):
    images, labels = spots(50, dtype="float32")
    images[-1] = np.nan
    run = Run(write_dataset(tmp_path / "d", images, labels, 4), str(tmp_path))
    # In the file's order, 8 at a time, the last of 50 comes in step 6.
    with pytest.raises(DataError, match="steps 5 to 9: training diverged") as caught:
        run.train(shuffle_buffer=1, checkpoint_steps=5)
    assert caught.value.found == f"last good checkpoint: step 5 in {run.checkpoints}"
    assert not os.path.exists(run.model)


def test_weight_that_is_no_number_is_noticed_behind_a_loss_that_is_one(new_run, monkeypatch):
    monkeypatch.setattr("idxpipe.components.train.training.make_loop", lambda *_: lambda *_: 0.5)
    monkeypatch.setattr(
        "idxpipe.components.train.state.checkpoints.Checkpoints.is_finite", lambda _: False
    )
    with pytest.raises(DataError, match="steps 0 to 4: training diverged: a weight"):
        new_run.train()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_asks_to_try_again(new_run, finished, monkeypatch, number):
    before = signal.getsignal(number)
    point = "idxpipe.components.train.state.history.History.add"

    def add(self, step, **values):
        if step == 15:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(point, add)
        with pytest.raises(TransientError, match="step 15 of 20"):
            new_run.train()
    assert signal.getsignal(number) is before
    assert max(list_checkpoints(new_run.checkpoints)) == 15
    assert not os.path.exists(new_run.model)
    assert new_run.train().resumed_from == 15
    assert new_run.weights() == finished[0].weights()


def test_a_second_ctrl_c_ends_at_once(new_run, monkeypatch):
    def add(self, step, **values):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("idxpipe.components.train.state.history.History.add", add)
    with pytest.raises(KeyboardInterrupt):
        new_run.train()


def test_trains_in_a_thread_too(new_run):
    results = []
    thread = threading.Thread(target=lambda: results.append(new_run.train(train_steps=2)))
    thread.start()
    thread.join()
    assert results[0].step == 2
