"""Training as a function: the same bytes, on the way to the same weights."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import SetupError, UsageError
from tests.datasets import spots, write_dataset
from tests.train.conftest import Run


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


def test_finished_training_is_exported_again_without_training(finished, again, monkeypatch):
    os.remove(f"{again.model}/model.json")
    monkeypatch.setattr("idxpipe.components.train.training.make_loop", lambda *_: None)
    result = again.train()
    assert (result.step, result.loss, result.resumed_from) == (20, finished[1].loss, 20)
    assert result.examples_per_second == 0
    assert again.weights() == finished[0].weights()


def test_checkpoint_beyond_train_steps_is_refused(new_run):
    new_run.train(train_steps=10)
    with pytest.raises(UsageError, match="gone beyond") as caught:
        new_run.train(train_steps=5)
    assert "10" in caught.value.expected
    assert caught.value.found == 5


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


@pytest.mark.parametrize("recipe", ["fast", "best"])
def test_recipes_train(new_run, recipe):
    result = new_run.train(recipe=recipe, learning_rate=-1.0, train_steps=2)
    assert result.step == 2
    card = json.loads(Path(f"{new_run.model}/model.json").read_text())
    assert card["config"]["recipe"] == recipe
    assert card["config"]["learning_rate"] > 0


def test_dataset_larger_than_memory_is_refused(new_run, monkeypatch):
    monkeypatch.setattr("idxpipe.components.train.input.examples.available_memory", lambda: 1000)
    with pytest.raises(SetupError, match="do not fit in memory"):
        new_run.train()
    assert not os.path.exists(new_run.folder)


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
