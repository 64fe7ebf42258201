import json
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError, SetupError, TransientError, UsageError
from idxpipe.components.train.state.checkpoints import list_checkpoints
from tests.datasets import spots, write_dataset
from tests.train.conftest import Run


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
    assert card["schema_version"] == 1
    assert (card["step"], card["loss"]) == (20, result.loss)
    assert (card["image_shape"], card["image_dtype"], card["num_classes"]) == ([8, 8], "uint8", 4)
    assert card["sources"] == {"images": "10-aa", "labels": "2-bb"}
    assert card["config"]["batch_size"] == 8
    assert card["parameters"] == result.parameters


def test_keeps_only_the_newest_checkpoints(new_run):
    new_run.train(iterations=2, checkpoint_steps=3, train_steps=9, keep_checkpoints=2)
    # Due at 3, 6 and 9, rounded up to loops' ends: 4, 6 and 9.
    assert sorted(list_checkpoints(new_run.checkpoints)) == [6, 9]


def test_same_bytes_give_the_same_model(finished, new_run):
    new_run.train()
    assert new_run.weights() == finished[0].weights()
    cards = [Path(f"{run.model}/model.json").read_text() for run in (new_run, finished[0])]
    assert cards[0] == cards[1]


def test_train_steps_raised_later_goes_on_to_the_same_weights(finished, new_run):
    new_run.train(train_steps=7)
    result = new_run.train()
    assert result.resumed_from == 7
    assert new_run.weights() == finished[0].weights()
    points = json.loads(Path(f"{new_run.logs}/history.json").read_text())["points"]
    assert [p["step"] for p in points] == [5, 7, 10, 15, 20]


def test_finished_training_is_exported_again_without_training(finished, new_run, monkeypatch):
    first = new_run.train()
    os.remove(f"{new_run.model}/model.json")
    monkeypatch.setattr("idxpipe.components.train.training.make_loop", lambda *_: None)
    again = new_run.train()
    assert (again.step, again.loss, again.resumed_from) == (20, first.loss, 20)
    assert again.examples_per_second == 0
    assert new_run.weights() == finished[0].weights()


def test_checkpoint_beyond_train_steps_is_refused(new_run):
    new_run.train(train_steps=10)
    with pytest.raises(UsageError, match="gone beyond") as caught:
        new_run.train(train_steps=5)
    assert "10" in caught.value.expected
    assert caught.value.found == 5


def damage(checkpoint):
    path = Path(f"{checkpoint}.data-00000-of-00001")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_damaged_newest_checkpoint_is_skipped(finished, new_run, capsys):
    new_run.train()
    damage(list_checkpoints(new_run.checkpoints)[20])
    # TensorFlow's own list of checkpoints is not needed either.
    Path(f"{new_run.checkpoints}/checkpoint").write_text("garbage")
    result = new_run.train()
    assert result.resumed_from == 10
    assert "warning: checkpoint of step 20 is skipped" in capsys.readouterr().err
    assert new_run.weights() == finished[0].weights()
    for path in list_checkpoints(new_run.checkpoints).values():
        damage(path)
    with pytest.raises(DataError, match="no checkpoint can be read"):
        new_run.train()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:100])


def zeros(path):
    # What a power cut can leave of a file that was renamed and not yet on the disk.
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, zeros, lambda p: p.write_bytes(b"")])
@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_checkpoint_that_is_half_there_is_skipped(new_run, capsys, suffix, damage):
    new_run.train(train_steps=10)
    new_run.train(train_steps=12)
    newest = list_checkpoints(new_run.checkpoints)[12]
    damage(Path(newest + suffix))
    # And so TensorFlow's saver leaves a killed process's.
    os.makedirs(f"{new_run.checkpoints}/ckpt-13_temp")
    # The damaged one must not count as the one that is kept.
    result = new_run.train(train_steps=11, keep_checkpoints=1)
    assert result.resumed_from == 10
    whole = suffix == ".index" and damage is Path.unlink
    assert ("warning: checkpoint of step 12 is skipped" in capsys.readouterr().err) is not whole
    assert list(list_checkpoints(new_run.checkpoints)) == [11]
    left = {name.partition(".")[0] for name in os.listdir(new_run.checkpoints)}
    assert left == {"ckpt-11", "checkpoint", "recipe"}
    assert tf.train.latest_checkpoint(new_run.checkpoints).endswith("ckpt-11")


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 4), ("seed", 1), ("dropout", 0.5), ("learning_rate", 0.2)]
)
def test_checkpoints_of_another_recipe_are_refused(finished, name, value):
    run, _ = finished
    with pytest.raises(DataError, match=f"a different {name}"):
        run.train(**{name: value})


OWN = """
import keras

def net(image_shape, num_classes, dropout, **_):
    return keras.Sequential([
        keras.layers.Flatten(),
        keras.layers.Dense(16),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(num_classes),
    ])
"""


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("own_for_stage.py").write_text(OWN)
    yield "own_for_stage:net"
    sys.modules.pop("own_for_stage", None)


@pytest.mark.parametrize("name", ["resnet", "own"])
def test_statistics_and_momentum_go_on_to_the_bit_and_are_exported(
    name, new_run, tmp_path, own_model
):
    changes = {
        "model": own_model if name == "own" else name,
        "augment_shift": 0.1,
        "augment_rotate": 10.0,
        "label_smoothing": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "train_steps": 10,
    }
    new_run.train(**changes | {"train_steps": 5})
    new_run.train(**changes)
    whole = Run(new_run.records, str(tmp_path / "whole"))
    whole.train(**changes)
    served, other = (tf.saved_model.load(run.model) for run in (new_run, whole))
    assert new_run.weights() == whole.weights()
    assert len(served.statistics) == (10 if name == "resnet" else 2)
    for mine, same in zip(served.statistics, other.statistics, strict=True):
        assert mine.numpy().tobytes() == same.numpy().tobytes()
        assert np.abs(mine.numpy()).max() not in (0, 1)
    card = json.loads(Path(f"{new_run.model}/model.json").read_text())
    assert card["config"]["model"] == changes["model"]


def test_checkpoints_of_an_own_model_that_was_edited_are_refused(new_run, own_model):
    new_run.train(model=own_model, train_steps=5)
    Path("own_for_stage.py").write_text(OWN.replace("16", "17"))
    with pytest.raises(DataError, match="a different model_source"):
        new_run.train(model=own_model)


def test_a_schedule_that_ends_with_the_training_cannot_be_prolonged(new_run):
    new_run.train(schedule="cosine", train_steps=5)
    with pytest.raises(DataError, match="a different train_steps"):
        new_run.train(schedule="cosine", train_steps=10)


def test_auto_keeps_the_precision_of_the_checkpoints(new_run, monkeypatch, capsys):
    monkeypatch.setattr(
        "idxpipe.components.train.network.precision._cpu_flags", lambda: {"amx_bf16"}
    )
    new_run.train(train_steps=5, model="tiny")
    assert "in bfloat16 (native to this CPU: amx_bf16)" in capsys.readouterr().err
    monkeypatch.undo()
    new_run.train(train_steps=6, model="tiny")
    assert "in bfloat16 (as its checkpoints)" in capsys.readouterr().err
    card = json.loads(Path(f"{new_run.model}/model.json").read_text())
    assert card["config"]["precision"] == "bfloat16"
    with pytest.raises(DataError, match="a different precision"):
        new_run.train(model="tiny", precision="float32")
    # Whoever serves it need not have bfloat16.
    servable = tf.saved_model.load(new_run.model)
    graph = servable.signatures["serving_default"].graph.as_graph_def()
    assert "DT_BFLOAT16" not in str(graph)


@pytest.mark.parametrize("recipe", ["fast", "best"])
def test_recipes_train(new_run, recipe):
    result = new_run.train(recipe=recipe, learning_rate=-1.0, train_steps=2)
    assert result.step == 2
    card = json.loads(Path(f"{new_run.model}/model.json").read_text())
    assert card["config"]["recipe"] == recipe
    assert card["config"]["learning_rate"] > 0


def test_checkpoints_of_another_dataset_are_refused(finished, tmp_path):
    run, _ = finished
    other = write_dataset(tmp_path, *spots(50), 4, sources={"images": "10-cc", "labels": "2-bb"})
    with pytest.raises(DataError, match="a different sources"):
        Run(other, run.folder).train()


def test_checkpoints_without_their_recipe_are_refused(new_run):
    new_run.train(train_steps=5)
    os.remove(f"{new_run.checkpoints}/recipe.json")
    with pytest.raises(DataError, match="without the recipe"):
        new_run.train()


def test_checkpoint_of_another_model_is_refused(new_run, tmp_path, monkeypatch):
    new_run.train(train_steps=5)
    other = Run(write_dataset(tmp_path / "o", *spots(50, num_classes=3), 3), new_run.folder)
    monkeypatch.setattr("idxpipe.components.train.training.check_recipe", lambda *_: None)
    with pytest.raises(DataError, match="a different model"):
        other.train()


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


def test_dataset_larger_than_memory_is_refused(new_run, monkeypatch):
    monkeypatch.setattr("idxpipe.components.train.input.examples.available_memory", lambda: 1000)
    with pytest.raises(SetupError, match="do not fit in memory"):
        new_run.train()
    assert not os.path.exists(new_run.folder)


def test_folder_with_other_files_is_not_replaced(new_run):
    os.makedirs(new_run.model)
    Path(f"{new_run.model}/thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        new_run.train()
    assert os.listdir(new_run.model) == ["thesis.txt"]


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


@pytest.mark.parametrize(
    ("shape", "dtype"), [((8, 8, 1), "float32"), ((9, 7, 3), "uint8"), ((5, 6), "int16")]
)
def test_other_shapes_and_types_train_and_export(tmp_path, shape, dtype):
    images, labels = spots(30, shape=shape, dtype=dtype, num_classes=5)
    run = Run(write_dataset(tmp_path / "d", images, labels, 5), str(tmp_path))
    run.train(train_steps=3)
    signature = tf.saved_model.load(run.model).signatures["serving_default"]
    outputs = signature(images=tf.constant(images[:7]))
    assert outputs["classes"].shape == (7,)
    assert outputs["classes"].dtype == tf.int64
    assert outputs["probabilities"].shape == outputs["logits"].shape == (7, 5)
    np.testing.assert_allclose(outputs["probabilities"].numpy().sum(axis=1), 1, rtol=1e-5)


def test_validation_set_of_the_dataset_makes_a_curve_and_changes_no_weight(tmp_path, finished):
    records = write_dataset(tmp_path / "d", *spots(50), 4)
    # The last batch of 8 is padded.
    images, labels = spots(21, seed=1)
    write_dataset(tmp_path / "d" / "validation", images, labels, 4, split="validation")
    run = Run(records, str(tmp_path / "run"))
    run.train(validation_steps=8)
    assert run.weights() == finished[0].weights()
    points = json.loads(Path(f"{run.logs}/history.json").read_text())["points"]
    assert [p["step"] for p in points if "validation_loss" in p] == [10, 20]
    serve = tf.saved_model.load(run.model).signatures["serving_default"]
    probabilities = serve(images=tf.constant(images))["probabilities"].numpy()
    loss = -np.log(probabilities[np.arange(21), labels]).mean()
    assert points[-1]["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert points[-1]["validation_accuracy"] == (probabilities.argmax(axis=1) == labels).mean()
