"""The model card: what a model is, came from and takes, as Markdown for people.

Its sections are those of M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, as far
as a training knows of them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.printable import printable
from idxpipe.components.core.shapes import format_shape

_POINTS = 6
_CLASSES = 100
_FOLDER = "path/to/this/folder"
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def render(card: dict[str, Any], dataset: Dataset, points: Sequence[dict[str, Any]]) -> str:
    """Return the model card.

    Nothing in it depends on the day or the machine's speed: equal trainings give equal bytes.

    Args:
        card: The model's model.json.
        dataset: What it was trained on.
        points: Of the training's history.
    """
    shape, classes = format_shape(dataset.image_shape), dataset.num_classes
    parts = [
        f"# Image classifier: {card['config']['model']}, {shape} to {classes} classes",
        f"Trained by idxpipe {card['version']} to step {card['step']}, with a training loss of "
        f"{card['loss']:.4f} at the end. How good it is on images that it has not seen is in the "
        "`metrics.json` and `report.html` of its evaluation, not here.",
        "## Model",
        _table(
            (
                ("network", f"`{card['config']['model']}`"),
                ("parameters", f"{card['parameters']:,}"),
                ("takes", _takes(dataset)),
                (
                    "gives",
                    f"`classes` int64 [N], `probabilities` and `logits` float32 [N, {classes}]",
                ),
                ("computes in", "float32"),
                ("digest", f"`{card['digest']}`, of the files that `model.json` lists"),
            )
        ),
        "## Data",
        _table(_data(dataset)),
        _classes(dataset),
        "## Training",
        _table(_training(card)),
        "Loss is the mean over the steps since the line before it, with dropout and augmentation "
        "on; all points are in the training's `history.json`.",
        _curve(points),
        "## Use",
        *_use(card, dataset),
        "## Limits",
        *_limits(dataset),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _sizes(dataset: Dataset) -> str:
    return ", ".join(map(str, dataset.image_shape))


def _takes(dataset: Dataset) -> str:
    largest = _largest(dataset)
    scaled = f"; it divides them by {largest} itself" if largest else ""
    if dataset.pixel_range:
        low, high = dataset.pixel_range
        scaled = f"; it scales them itself: {low:g} to 0, {high:g} to 1"
    return f"`images`: {dataset.image_dtype} [N, {_sizes(dataset)}], as in the data set{scaled}"


def _largest(dataset: Dataset) -> int:
    """Return what integer pixels are divided by; 0 for floating ones."""
    dtype = np.dtype(dataset.image_dtype)
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 0


def _data(dataset: Dataset) -> list[tuple[str, str]]:
    rows = [
        ("data set", f"{dataset.dataset_name}, split {dataset.split}"),
        ("examples", f"{dataset.num_examples:,}{_part(dataset)}"),
        ("images", f"{format_shape(dataset.image_shape)} {dataset.image_dtype}"),
    ]
    for role, fingerprint in sorted(dataset.sources.items()):
        rows.append((f"{role} file", f"`{fingerprint}` (bytes and CRC32C of the IDX content)"))
    return rows


def _part(dataset: Dataset) -> str:
    whole = dataset.source_examples
    return f" of {whole:,}" if whole > dataset.num_examples else ""


def _classes(dataset: Dataset) -> str:
    counts = list(enumerate(dataset.class_counts))
    names = [f" {_plain(name)}" for name in dataset.class_names] or [""] * len(counts)
    shown = ", ".join(f"{label}{names[label]}: {count:,}" for label, count in counts[:_CLASSES])
    more = f", and {len(counts) - _CLASSES} more" if len(counts) > _CLASSES else ""
    return f"Examples per class: {shown}{more}."


def _plain(text: str) -> str:
    """Return text from outside, of which Markdown makes nothing else."""
    return _MARKS.sub(r"\\\1", printable(text))


def _names(dataset: Dataset) -> str:
    if dataset.class_names:
        return "It gives the classes' numbers; their names are those under Data, and in model.json."
    return "Classes are the label numbers of the data set; it knows no names."


def _training(card: dict[str, Any]) -> list[tuple[str, str]]:
    device = card["device"]
    config = card["config"]
    return [
        ("accelerator", f"{device['replicas']} x {device['accelerator']}"),
        *((f"`{name}`", f"`{value}`") for name, value in config.items() if name != "model"),
    ]


def _curve(points: Sequence[dict[str, Any]]) -> str:
    if not points:
        return "The course of the loss is not known."
    at = np.unique(np.linspace(0, len(points) - 1, _POINTS).round().astype(int))
    rows = [points[number] for number in at]
    lines = [
        f"| {point['step']} | {point['loss']:.4f} | {point.get('learning_rate', 0):.4g} |"
        for point in rows
    ]
    return "\n".join(["| step | loss | learning rate |", "|---:|---:|---:|", *lines])


def _use(card: dict[str, Any], dataset: Dataset) -> Iterator[str]:
    yield "The SavedModel, with TensorFlow alone:"
    yield _python(
        "import numpy as np",
        "import tensorflow as tf",
        "",
        f'images = np.zeros([1, {_sizes(dataset)}], "{dataset.image_dtype}")  # yours',
        f'model = tf.saved_model.load("{_FOLDER}")',
        'answers = model.signatures["serving_default"](images=tf.constant(images))',
        'print(answers["classes"].numpy(), answers["probabilities"].numpy())',
    )
    yield (
        "TensorFlow Serving takes this folder as one version of a model, so it is mounted under a "
        "number:"
    )
    yield (
        f'```sh\ndocker run -p 8501:8501 -v "{_FOLDER}:/models/classifier/1" \\\n'
        "  -e MODEL_NAME=classifier tensorflow/serving\n"
        "curl http://localhost:8501/v1/models/classifier:predict -d '{\"instances\": [IMAGE]}'\n```"
    )
    if "model.keras" in card["files"]:
        yield from _use_keras(card, dataset)
    if "model.tflite" in card["files"]:
        yield "The same signature for TFLite (LiteRT), with float32 weights:"
        yield _python(
            "import numpy as np",
            "import tensorflow as tf",
            "",
            f'images = np.zeros([1, {_sizes(dataset)}], "{dataset.image_dtype}")  # yours',
            f'interpreter = tf.lite.Interpreter("{_FOLDER}/model.tflite")',
            'print(interpreter.get_signature_runner("serving_default")(images=images))',
        )


def _use_keras(card: dict[str, Any], dataset: Dataset) -> Iterator[str]:
    largest = _largest(dataset)
    known = largest or dataset.pixel_range
    own = card["config"]["model"].partition(":")
    first = f" Import `{own[0]}` first, if it defines layers of its own." if own[1] else ""
    yield (
        "The network for Keras, to go on from or to look into; it takes "
        f"{'float32 from 0 to 1' if known else 'float32'} and gives logits.{first}"
    )
    scaled = f'images.astype("float32"){f" / {largest}" if largest else ""}'
    if dataset.pixel_range:
        low, high = dataset.pixel_range
        scaled = f'(images.astype("float32") - {low!r}) / {high - low!r}'
    yield _python(
        "import keras",
        "import numpy as np",
        "",
        f'images = np.zeros([1, {_sizes(dataset)}], "{dataset.image_dtype}")  # yours',
        f'network = keras.models.load_model("{_FOLDER}/model.keras")',
        f"print(network.predict({scaled}, verbose=0))",
    )


def _python(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _limits(dataset: Dataset) -> Iterator[str]:
    yield "\n".join(
        [
            f"- It takes images of {format_shape(dataset.image_shape)} {dataset.image_dtype} only, "
            "of the same brightness, polarity and orientation as those it was trained on; nothing "
            "is resized, inverted or centred.",
            f"- It gives one of {dataset.num_classes} classes for any image, also for one of "
            f"something else. {_names(dataset)}",
            "- Probabilities are the softmax of the logits, and may be too sure: see the "
            "calibration in the evaluation's report.",
            "- Nothing is known of how it does on images from another source.",
        ]
    )
