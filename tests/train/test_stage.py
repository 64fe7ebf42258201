import json
import os
import shutil
import threading
from pathlib import Path

import pytest
import tensorflow as tf

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.components.train.export import saved_model
from idxpipe.components.train.state.checkpoints import list_checkpoints


def test_learns_and_says_what_it_came_to(finished):
    run, result = finished
    assert result.step == 20
    assert result.resumed_from is None
    assert result.parameters == 832 + 51_264 + (2 * 2 * 64 * 1024 + 1024) + (1024 * 4 + 4)
    assert result.examples_per_second > 0
    points = json.loads(Path(f"{run.logs}/history.json").read_text())["points"]
    assert [p["step"] for p in points] == [5, 10, 15, 20]
    assert points[-1]["loss"] == result.loss < points[0]["loss"]
    assert all(0 <= p["input_wait"] < 0.9 for p in points)
    assert points[0]["learning_rate"] == pytest.approx(0.1 * 0.96 ** (5 / 100_000))


def test_tensorboard_events_hold_the_scalars(finished):
    run, _ = finished
    (events,) = [name for name in os.listdir(run.logs) if "tfevents" in name]
    found = {}
    for record in tf.data.TFRecordDataset(f"{run.logs}/{events}"):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found.setdefault(value.tag, []).append(event.step)
    assert sorted(found) == [
        "speed/examples_per_second",
        "speed/input_wait",
        "train/learning_rate",
        "train/loss",
    ]
    assert all(steps == [5, 10, 15, 20] for steps in found.values())


def test_model_card_tells_the_facts(finished):
    run, result = finished
    card = json.loads(Path(f"{run.model}/model.json").read_text())
    assert card["schema_version"] == 2
    assert (card["step"], card["loss"]) == (20, result.loss)
    assert (card["image_shape"], card["image_dtype"], card["num_classes"]) == ([8, 8], "uint8", 4)
    assert card["sources"] == {"images": "10-aa", "labels": "2-bb"}
    assert card["config"]["batch_size"] == 8
    assert card["parameters"] == result.parameters


def test_trust_1_other_files_in_the_folder_stay(new_run):
    os.makedirs(new_run.model)
    Path(f"{new_run.model}/thesis.txt").write_text("years of work")
    for steps in (5, 10):
        new_run.train(train_steps=steps)
        assert Path(f"{new_run.model}/thesis.txt").read_text() == "years of work"
    assert not [name for name in os.listdir(new_run.model) if "replaced" in name]


def test_trust_1_somebody_elses_model_is_not_replaced(new_run):
    os.makedirs(new_run.model)
    Path(f"{new_run.model}/model.json").write_text("{}")
    with pytest.raises(UsageError, match="holds something else"):
        new_run.train()
    assert os.listdir(new_run.model) == ["model.json"]
    assert not list_checkpoints(new_run.checkpoints)


def test_trust_1_the_model_of_another_training_is_not_replaced(new_run):
    new_run.train(train_steps=5)
    before = Path(f"{new_run.model}/saved_model.pb").read_bytes()
    shutil.rmtree(new_run.checkpoints)
    with pytest.raises(UsageError, match="holds the model of another training") as caught:
        new_run.train(train_steps=5, seed=9)
    assert "seed" in str(caught.value)
    assert Path(f"{new_run.model}/saved_model.pb").read_bytes() == before
    # The same training once more may.
    assert new_run.train(train_steps=6).step == 6


def test_an_export_that_was_cut_off_is_made_again(new_run, monkeypatch):
    new_run.train(train_steps=5)
    with monkeypatch.context() as patch:
        patch.setattr(saved_model, "write_card", lambda card: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            new_run.train(train_steps=10)
    assert not os.path.exists(f"{new_run.model}/model.json")
    assert new_run.train(train_steps=10).resumed_from == 10
    assert json.loads(Path(f"{new_run.model}/model.json").read_text())["step"] == 10


def test_trust_2_two_trainings_in_one_folder_do_not_mix(new_run):
    """The second waits for the first, and is told then that the checkpoints are not its own."""
    waiting = threading.Thread(target=new_run.train, kwargs={"train_steps": 5})
    with storage.lock(new_run.checkpoints):
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        assert not list_checkpoints(new_run.checkpoints)
    waiting.join()
    assert list(list_checkpoints(new_run.checkpoints)) == [5]
    with pytest.raises(DataError, match="checkpoints were made with a different seed"):
        new_run.train(train_steps=5, seed=9)


def test_full_disk_says_what_could_not_be_written(new_run, monkeypatch):
    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "write", full)
        with pytest.raises(SetupError, match="cannot write a checkpoint"):
            new_run.train(train_steps=5)
    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(SetupError, match="cannot write the model"):
        new_run.train(train_steps=5)
    assert not os.path.exists(new_run.model)


def test_logs_that_cannot_be_written_are_refused(new_run):
    os.makedirs(new_run.folder)
    Path(new_run.logs).write_text("a file")
    with pytest.raises(SetupError, match="cannot write the logs"):
        new_run.train()


def test_damaged_history_is_begun_anew(new_run):
    os.makedirs(new_run.logs)
    Path(f"{new_run.logs}/history.json").write_text("[")
    new_run.train(train_steps=5)
    points = json.loads(Path(f"{new_run.logs}/history.json").read_text())["points"]
    assert [p["step"] for p in points] == [5]
