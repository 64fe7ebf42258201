"""The loop over a training's calls: what stops it."""

import dataclasses
import os
import signal
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.core.model import read_card
from idxpipe.components.train.run import is_due
from idxpipe.components.train.state.checkpoints import list_checkpoints
from idxpipe.components.train.timed_batches import TimedBatches
from tests.datasets import spots, write_dataset
from tests.train.conftest import CONFIG, Run
from tests.train.test_processes import python


def test_loss_that_is_no_number_names_the_steps(new_run, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.components.train.training.make_loop", lambda *_: lambda *_: (float("nan"), 5)
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
    monkeypatch.setattr(
        "idxpipe.components.train.training.make_loop", lambda *_: lambda *_: (0.5, 5)
    )
    monkeypatch.setattr(
        "idxpipe.components.train.state.checkpoints.Checkpoints.is_finite", lambda _: False
    )
    with pytest.raises(DataError, match="steps 0 to 4: training diverged: a weight"):
        new_run.train()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_trust_7_a_signal_saves_and_asks_to_try_again(new_run, finished, monkeypatch, number):
    # Under nohup it is ignored, and stays so.
    outer = signal.signal(number, signal.default_int_handler)
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
    signal.signal(number, outer)
    assert max(list_checkpoints(new_run.checkpoints)) == 15
    assert not os.path.exists(new_run.model)
    assert new_run.train().resumed_from == 15
    assert new_run.weights() == finished[0].weights()
    # What was saved for the signal alone is gone again.
    assert sorted(list_checkpoints(new_run.checkpoints)) == [10, 20]


TWICE = """
import os, signal, sys, time
from idxpipe.components.train.state.history import History
from tests.train.conftest import CONFIG, Run

def add(self, step, **values):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

History.add = add
Run(*sys.argv[1:]).train()
"""


def test_a_second_ctrl_c_ends_at_once(new_run):
    child = python(TWICE, new_run.records, new_run.folder)
    assert child.returncode == 130
    assert not list_checkpoints(new_run.checkpoints)


def test_a_signal_ends_the_loop_after_the_step(new_run, finished, monkeypatch, capsys):
    """The loop is on the device: only a thread hears of the signal, and the step is the last."""
    taken = []

    def in_step_7(self):
        batch = following(self)
        taken.append(None)
        tf.py_function(lambda: len(taken) < 0 or kill(), [], [])
        return batch

    following = TimedBatches.__next__
    calls = []

    def kill():
        calls.append(None)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
            deadline = time.monotonic() + 60
            while "stopping" not in said and time.monotonic() < deadline:
                time.sleep(0.01)

    said = []
    monkeypatch.setattr("idxpipe.components.train.run.say", lambda line: said.append("stopping"))
    with monkeypatch.context() as patch:
        patch.setattr(TimedBatches, "__next__", in_step_7)
        with pytest.raises(TransientError, match=r"step [78] of 20, checkpoint saved"):
            new_run.train()
    assert max(list_checkpoints(new_run.checkpoints)) in {7, 8}
    assert new_run.train().resumed_from in {7, 8}
    # Not a bit is lost: neither of the weights nor of the loss, a mean over the whole loop.
    assert new_run.weights() == finished[0].weights()
    assert read_card(new_run.model).loss == read_card(finished[0].model).loss
    assert sorted(list_checkpoints(new_run.checkpoints)) == [10, 20]


@pytest.mark.parametrize("every", [5, 7, 10, 12, 1000])
def test_what_is_due_does_not_depend_on_where_a_loop_began(every):
    config = dataclasses.replace(CONFIG, train_steps=103, iterations=5)
    due = [step for step in range(1, 104) if is_due(config, every, step)]
    ends = [*range(5, 103, 5), 103]
    before = [0, *ends]
    assert due == [
        end
        for start, end in zip(before, ends, strict=False)
        if end == 103 or end // every > start // every
    ]


def test_trust_7_an_ignored_signal_stays_ignored(new_run, monkeypatch):
    monkeypatch.setattr(
        "idxpipe.components.train.state.history.History.save",
        lambda self: os.kill(os.getpid(), signal.SIGHUP),
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert new_run.train().step == 20
    finally:
        signal.signal(signal.SIGHUP, before)


def test_trains_in_a_thread_too(new_run):
    results = []
    thread = threading.Thread(target=lambda: results.append(new_run.train(train_steps=2)))
    thread.start()
    thread.join()
    assert results[0].step == 2
