import dataclasses
import re

import numpy as np

from idxpipe.components.core.dataset.manifest import Dataset, Shard
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.model_card import render

DATASET = Dataset(
    split="train",
    image_shape=(28, 28),
    image_dtype="uint8",
    num_classes=3,
    class_counts=(1000, 20, 180),
    shards=(Shard("a", 1200, 10_000_000, 1),),
    sources={"images": "100-aa", "labels": "20-bb"},
    converter="1",
    dataset_name="mnist",
    source_examples=1500,
)
CARD = {
    "version": "1.2",
    "step": 40,
    "loss": 0.25,
    "parameters": 1234567,
    "device": {"accelerator": "TPU", "replicas": 8},
    "config": TrainConfig(recipe="fast").resolved().to_json(),
    "files": [],
    "digest": "ab12",
}
POINTS = [{"step": n, "loss": 1 / n, "learning_rate": 0.1} for n in range(1, 41)]


def test_it_tells_the_runs_facts():
    text = render(CARD, DATASET, POINTS)
    for part in (
        "# Image classifier: tiny, 28x28 to 3 classes",
        "idxpipe 1.2 to step 40, with a training loss of 0.2500",
        "| parameters | 1,234,567 |",
        "| digest | `ab12`",
        "uint8 [N, 28, 28], as in the data set; it divides them by 255 itself",
        "| data set | mnist, split train |",
        "| examples | 1,200 of 1,500 |",
        "| images file | `100-aa`",
        "0: 1,000, 1: 20, 2: 180.",
        "| accelerator | 8 x TPU |",
        "| `label_smoothing` | `0.1` |",
        "| 1 | 1.0000 | 0.1 |",
        "| 40 | 0.0250 | 0.1 |",
    ):
        assert part in text, part
    assert text.count("| 0.1 |") == 6
    assert "model.keras" not in text
    assert "model.tflite" not in text


def test_each_file_has_its_example():
    text = render(CARD | {"files": ["model.keras", "model.tflite"]}, DATASET, POINTS)
    assert 'load_model("path/to/this/folder/model.keras")' in text
    assert 'Interpreter("path/to/this/folder/model.tflite")' in text
    assert "Import `" not in text
    own = CARD | {"files": ["model.keras"], "config": CARD["config"] | {"model": "mine:net"}}
    assert "Import `mine` first" in render(own, DATASET, POINTS)


def test_floating_pixels_are_not_scaled_and_many_classes_are_not_all_listed():
    many = dataclasses.replace(
        DATASET, image_dtype="float32", num_classes=120, class_counts=(10,) * 120
    )
    text = render(CARD | {"files": ["model.keras"]}, many, [])
    assert 'network.predict(images.astype("float32"), verbose=0)' in text
    assert "99: 10, and 20 more." in text
    assert "The course of the loss is not known." in text


def test_classes_have_their_names():
    named = dataclasses.replace(DATASET, class_names=("cat", "dog|*", "c\n#d"))
    text = render(CARD, named, POINTS)
    assert "0 cat: 1,000, 1 dog\\|\\*: 20, 2 c\\\\n\\#d: 180." in text
    assert "knows no names" not in text


def test_the_keras_file_is_given_what_the_network_takes():
    """The line of the card that scales pixels, run."""
    for dtype, pixel_range, pixel, unit in (
        ("uint8", None, 255, 1),
        ("int16", (0.0, 255.0), 255, 1),
        ("float32", (-1.0, 1.0), 0, 0.5),
    ):
        data = dataclasses.replace(DATASET, image_dtype=dtype, pixel_range=pixel_range)
        text = render(CARD | {"files": ["model.keras"]}, data, POINTS)
        scaled = re.search(r"predict\((.+), verbose", text)[1]
        assert eval(scaled, {"images": np.full(1, pixel, dtype)}) == unit
