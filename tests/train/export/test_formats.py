import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError, IdxpipeError
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export import formats
from idxpipe.components.train.export.formats import save_formats
from idxpipe.components.train.export.tflite_file import load_tflite
from idxpipe.components.train.network.networks import tiny
from tests.datasets import spots

CONFIG = TrainConfig(export_tflite=True)


def network():
    made = tiny((8, 8), 4, 0.2, seed=1)
    # As trained ones are: logits far from each other.
    made.get_layer("logits").kernel.assign(made.get_layer("logits").kernel * 9)
    return made


def test_every_format_gives_the_same_on_other_examples(tmp_path):
    files = save_formats(network(), spots(20)[0], str(tmp_path), CONFIG)
    assert files == ["model.keras", "model.tflite"]
    images, _ = spots(64, seed=7)
    served = tf.saved_model.load(tmp_path)
    expected = served.signatures["serving_default"](images=tf.constant(images))
    lite = load_tflite(str(tmp_path / "model.tflite"))(images)
    plain = keras.models.load_model(tmp_path / "model.keras")(images.astype(np.float32) / 255)
    assert len(set(lite["classes"].tolist())) > 1
    np.testing.assert_array_equal(lite["classes"], expected["classes"])
    for logits in (lite["logits"], plain):
        np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)
    assert "model.tflite" not in save_formats(network(), images, str(tmp_path), TrainConfig())


def spoil_saved_model(real):
    def save(servable, path):
        servable.weights[-1].assign(servable.weights[-1] + 0.1)
        real(servable, path)

    return "save_servable", save


def spoil_keras(real):
    def save(model, path):
        twin = keras.models.clone_model(model)
        twin.set_weights([np.full_like(value, np.nan) for value in model.get_weights()])
        real(twin, path)

    return "save_keras", save


def spoil_tflite(real):
    def save(saved_model, path):
        real(saved_model, path)
        kernel = network().get_layer("logits").kernel.numpy().T.tobytes()
        with open(path, "r+b") as stream:
            content = stream.read()
            stream.seek(content.index(kernel))
            stream.write(np.full(len(kernel) // 4, np.nan, "<f4").tobytes())

    return "save_tflite", save


@pytest.mark.parametrize(
    ("spoil", "found"),
    [(spoil_saved_model, "0.1 off"), (spoil_keras, "nan off"), (spoil_tflite, "nan off")],
)
def test_a_format_that_does_something_else_is_refused(tmp_path, monkeypatch, spoil, found):
    name, _ = spoil(None)
    monkeypatch.setattr(formats, *spoil(getattr(formats, name)))
    with pytest.raises(IdxpipeError, match="does not do what the trained one does") as caught:
        save_formats(network(), spots(20)[0], str(tmp_path), CONFIG)
    assert (caught.value.exit_code, caught.value.found) == (1, found)


def test_classes_and_probabilities_are_held_against_the_logits():
    logits = np.array([[0.0, 2.0]], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum()
    good = {"logits": logits, "probabilities": shares, "classes": np.array([1])}
    formats.check_outputs("x", good, logits)
    for wrong in (
        {"classes": np.array([0])},
        {"probabilities": shares[:, ::-1]},
        {"probabilities": shares * np.nan},
        {"logits": logits[:, :1]},
    ):
        with pytest.raises(IdxpipeError, match="does not do"):
            formats.check_outputs("x", good | wrong, logits)


def test_a_model_that_gives_no_numbers_is_refused(tmp_path):
    model = network()
    model.get_layer("logits").bias.assign([0, 0, np.inf, 0])
    with pytest.raises(DataError, match="not finite") as caught:
        save_formats(model, spots(20)[0], str(tmp_path), CONFIG)
    assert caught.value.found == "in 20 of 20 examples"
    assert os.listdir(tmp_path) == []


def test_a_network_of_ones_own_that_keras_cannot_load_has_no_keras_file(tmp_path, capsys):
    # Code in a file is not run by plain load_model.
    layers = [keras.Input((8, 8)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(4)])
    own = TrainConfig(model="mine:network")
    assert save_formats(model, spots(9)[0], str(tmp_path), own) == []
    assert sorted(os.listdir(tmp_path)) == ["assets", "saved_model.pb", "variables"]
    assert capsys.readouterr().err.startswith("no model.keras: ")
    shutil.rmtree(tmp_path)
    with pytest.raises(ValueError, match="Lambda"):
        save_formats(model, spots(9)[0], str(tmp_path), TrainConfig())
