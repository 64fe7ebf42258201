"""Digits and letters in each type and order that people have them in: one answer, everywhere."""

import dataclasses
import gzip
import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.idx.files import DataConfig, DataFiles, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.model import read_card
from idxpipe.components.evaluate.config import EvaluateConfig, PredictConfig
from idxpipe.components.evaluate.predict import predict, prepare
from idxpipe.components.evaluate.stage import evaluate
from idxpipe.components.fetch.catalogue import DATA_SETS, Download
from idxpipe.components.fetch.stage import fetch
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.stage import train
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.stage import validate
from tests.fetch.files import FileServer
from tests.idxfiles import idx_bytes, write_data_set
from tests.people import CASES, digits

CPU = DeviceConfig(accelerator="cpu")
# Of each form: what it makes of bytes, and parameters.
FORMS = {
    "uint8": (lambda x: x, {}),
    "int8": (lambda x: (x.astype(np.int16) - 128).astype(np.int8), {}),
    "int16": (lambda x: x.astype(np.int16) * 2, {"pixel_range": "0,510"}),
    "int32": (lambda x: x.astype(np.int32), {}),
    "float32": (lambda x: x.astype(np.float32), {}),
    "float64": (lambda x: (x / 255).astype(np.float64), {}),
}
# What rounding may change.
ALIKE = 0.99


@dataclasses.dataclass(frozen=True)
class Journey:
    """What came of a data set.

    Attributes:
        model: Folder of the model.
        accuracy: What evaluate found.
        predictions: Of the file of test images, as it is stored.
    """

    model: str
    accuracy: float
    predictions: list

    @property
    def classes(self):
        return np.array([prediction.classes[0] for prediction in self.predictions])


def journey(files: DataFiles, layout: LayoutConfig, folder, **config) -> Journey:
    """Convert, train, evaluate and predict."""
    for split in ("train", "test"):
        sources = getattr(files, f"{split}_images"), getattr(files, f"{split}_labels")
        convert(*sources, f"{folder}/{split}", ConvertConfig(), layout, split=split)
    outputs = [f"{folder}/{name}" for name in ("model", "checkpoints", "logs")]
    steps = {"recipe": "fast", "train_steps": 30, "batch_size": 64, **config}
    train(f"{folder}/train", *outputs, TrainConfig(**steps).resolved(), CPU)
    results = f"{folder}/metrics.json", f"{folder}/report.html"
    figures = evaluate(f"{folder}/test", outputs[0], *results, EvaluateConfig(), CPU)
    task = prepare(outputs[0], [files.test_images], PredictConfig(accelerator="cpu"))
    return Journey(outputs[0], figures.accuracy, list(predict(task)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make the journey of a form, once."""
    known = {}

    def make(name):
        if name not in known:
            how, changes = FORMS[name]
            folder = tmp_path_factory.mktemp(name)
            x, y, u, v = digits()
            roles = ("train_images", "train_labels", "test_images", "test_labels")
            files = write_data_set(
                folder / "data", dict(zip(roles, (how(x), y, how(u), v), strict=True))
            )
            layout = LayoutConfig(**changes)
            known[name] = journey(DataFiles(**files), layout, folder, export_tflite=True)
        return known[name]

    return make


@pytest.mark.parametrize("name", FORMS)
def test_each_type_gets_the_answers_that_bytes_get(made, name):
    usual, found = made("uint8").classes, made(name)
    labels = digits()[3]
    assert found.accuracy > 0.8
    assert np.mean(found.classes == usual) >= ALIKE
    assert np.mean(found.classes == labels) == pytest.approx(found.accuracy)
    for kind, classes in served(found.model, FORMS[name][0](digits()[2])).items():
        assert np.mean(classes == found.classes) >= ALIKE, kind


def served(model, images):
    """Return what each of a model's formats answers by itself."""
    import keras
    import tensorflow as tf

    from idxpipe.components.train.export.tflite_file import load_tflite
    from idxpipe.components.train.network.model import to_unit

    card = read_card(model)
    tensor = tf.constant(images)
    kept = keras.models.load_model(f"{model}/model.keras", compile=False)
    found = {
        "SavedModel": tf.saved_model.load(model)
        .signatures["serving_default"](images=tensor)["classes"]
        .numpy(),
        "Keras": kept(to_unit(tensor, card.pixel_range), training=False).numpy().argmax(axis=1),
    }
    if "model.tflite" in card.files:
        found["TFLite"] = load_tflite(f"{model}/model.tflite")(images)["classes"]
    return found


def from_its_publishers(name, files, folder, **config):
    """Fetch a data set as `idxpipe fetch` would, and take it as the catalogue says."""
    with FileServer(files) as server:
        downloads = tuple(
            Download(n, (f"{server.url}/{n}",), "sha256:" + hashlib.sha256(data).hexdigest())
            for n, data in files.items()
        )
        known = DATA_SETS[name]
        assert [file.name for file in known.files] == list(files)
        fetch(dataclasses.replace(known, files=downloads), f"{folder}/data")
    settings = dict(setting.split("=") for setting in known.settings)
    found = find_files(DataConfig(f"{folder}/data", settings.pop("data_prefix", "")))
    kinds = {"transposed": lambda text: text == "true"}
    layout = {n: kinds.get(n, int)(text) for n, text in settings.items()}
    said = validate(found, ValidateConfig(**layout)).findings
    assert [str(finding) for finding in said] == []
    return journey(found, LayoutConfig(**layout), folder, **config)


def drawn(per_letter, seed):
    """Draw letters; their labels are those of EMNIST, from 1 to 26."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(1, 27, dtype=np.uint8), per_letter))
    font = ImageFont.load_default(size=22)
    images = []
    for label in labels:
        picture = Image.new("L", (28, 28))
        place = tuple(14 + random.integers(-2, 3, 2))
        ImageDraw.Draw(picture).text(place, chr(64 + label), fill=255, font=font, anchor="mm")
        images.append(
            np.asarray(picture.rotate(random.uniform(-10, 10), Image.Resampling.BILINEAR))
        )
    return np.stack(images), labels


def test_emnist_letters_from_the_archive_to_predictions(tmp_path):
    members = {
        "emnist-letters-mapping.txt": "".join(f"{n} {64 + n} {96 + n}\n" for n in range(1, 27))
    }
    for split, (images, labels) in {"train": drawn(24, 0), "test": drawn(6, 1)}.items():
        # Its publishers store columns as rows.
        arrays = {"images-idx3": images.swapaxes(1, 2), "labels-idx1": labels}
        for kind, array in arrays.items():
            name = f"emnist-letters-{split}-{kind}-ubyte.gz"
            members[name] = gzip.compress(idx_bytes(np.ascontiguousarray(array)))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, data in members.items():
            writer.writestr(f"gzip/{name}", data)
    files = {"gzip.zip": archive.getvalue()}
    found = from_its_publishers("emnist", files, tmp_path, train_steps=80)
    assert found.accuracy > 0.8
    assert np.mean(found.classes == drawn(6, 1)[1]) == pytest.approx(found.accuracy)
    names = [prediction.names[0] for prediction in found.predictions]
    assert names == [f"{chr(64 + c)}/{chr(96 + c)}" for c in found.classes]


def test_qmnist_from_its_publishers_to_predictions(tmp_path):
    CASES["qmnist"](tmp_path / "source")
    names = [file.name for file in DATA_SETS["qmnist"].files]
    files = {n: gzip.compress((tmp_path / "source" / n[:-3]).read_bytes()) for n in names}
    found = from_its_publishers("qmnist", files, tmp_path)
    assert found.accuracy > 0.8
    assert np.mean(found.classes == digits()[3]) == pytest.approx(found.accuracy)
