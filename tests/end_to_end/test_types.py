"""The same digits in each type and order that people have them in: one accuracy, everywhere."""

import dataclasses

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.model import read_card
from idxpipe.components.evaluate.config import EvaluateConfig, PredictConfig
from idxpipe.components.evaluate.predict import predict, prepare
from idxpipe.components.evaluate.stage import evaluate
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.stage import train
from tests.idxfiles import write_data_set
from tests.people import digits

CONFIG = TrainConfig(recipe="fast", train_steps=60, batch_size=64, export_tflite=True).resolved()
CPU = DeviceConfig(accelerator="cpu")
FORMS = {
    "uint8": (lambda x: x, {}),
    "int8": (lambda x: (x.astype(np.int16) - 128).astype(np.int8), {}),
    "int16": (lambda x: x.astype(np.int16), {}),
    "int32": (lambda x: x.astype(np.int32), {}),
    "float32": (lambda x: x.astype(np.float32), {}),
    "float64": (lambda x: (x / 255).astype(np.float64), {}),
    "binary": (lambda x: (x > 127).astype(np.uint8), {"pixel_range": "0,1"}),
    # As EMNIST's publishers have it: on its side, labels from 1 on.
    "emnist": (lambda x: x.swapaxes(1, 2), {"transposed": True, "label_offset": 1}),
}


@pytest.fixture(scope="module", params=FORMS)
def trained(request, tmp_path_factory):
    """Files, layout, and the folder of a training on them with its evaluation."""
    folder = tmp_path_factory.mktemp(request.param)
    how, changes = FORMS[request.param]
    layout = LayoutConfig(**changes)
    x, y, u, v = digits()
    offset = np.uint8(layout.label_offset)
    roles = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = dict(zip(roles, (how(x), y + offset, how(u), v + offset), strict=True))
    files = write_data_set(folder / "data", arrays)
    for split in ("train", "test"):
        sources = files[f"{split}_images"], files[f"{split}_labels"]
        convert(*sources, f"{folder}/{split}", ConvertConfig(), layout, split=split)
    outputs = [f"{folder}/{name}" for name in ("model", "checkpoints", "logs")]
    train(f"{folder}/train", *outputs, CONFIG, CPU)
    results = f"{folder}/metrics.json", f"{folder}/report.html"
    figures = evaluate(f"{folder}/test", outputs[0], *results, EvaluateConfig(), CPU)
    return files, arrays, outputs[0], figures.accuracy


def test_the_accuracy_is_that_of_bytes(trained):
    assert trained[3] > 0.75


def test_predict_on_the_publishers_own_file_is_as_right_as_evaluate(trained):
    files, arrays, model, accuracy = trained
    task = prepare(model, [files["test_images"]], PredictConfig(accelerator="cpu"))
    found = [prediction.classes[0] for prediction in predict(task)]
    assert np.mean(found == arrays["test_labels"]) == pytest.approx(accuracy)


def test_the_served_formats_are_as_right(trained):
    import keras
    import tensorflow as tf

    from idxpipe.components.train.export.tflite_file import load_tflite
    from idxpipe.components.train.network.model import to_unit

    _, arrays, model, accuracy = trained
    card = read_card(model)
    images = arrays["test_images"]
    images = images.swapaxes(1, 2) if card.layout.get("transposed") else images
    images = np.ascontiguousarray(images)
    labels = arrays["test_labels"] - card.layout.get("label_offset", 0)
    tensor = tf.constant(images)
    signature = tf.saved_model.load(model).signatures["serving_default"]
    kept = keras.models.load_model(f"{model}/model.keras", compile=False)
    served = {
        "SavedModel": signature(images=tensor)["classes"].numpy(),
        "Keras": kept(to_unit(tensor, card.pixel_range), training=False).numpy().argmax(axis=1),
        "TFLite": load_tflite(f"{model}/model.tflite")(images)["classes"],
    }
    for classes in served.values():
        assert np.mean(classes == labels) == pytest.approx(accuracy)
    assert dataclasses.asdict(card)["pixel_range"] == card.pixel_range
