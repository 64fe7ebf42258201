"""Classify images with a trained model."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.model import ModelCard, read_card
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.evaluate.config import PredictConfig
from idxpipe.components.evaluate.contradictions import contradictions
from idxpipe.components.evaluate.images import Images, Source, find_sources, read_batches
from idxpipe.components.evaluate.inference.replicas import with_logits
from idxpipe.components.evaluate.metrics.metrics import softmax

_FEW = 100


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model takes an image for.

    Attributes:
        file: URI of its file.
        index: Number of the image in the file, from 0.
        classes: The most probable classes, most probable first; of equal ones the smaller first.
            Numbers are those of the labels that the model was trained on.
        probabilities: Theirs.
        names: Theirs, if the model knows them.
    """

    file: str
    index: int
    classes: tuple[int, ...]
    probabilities: tuple[float, ...]
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the prediction; `top` is there if more than one class was asked for."""
        pairs = zip(self.classes, self.probabilities, strict=True)
        top: list[dict[str, Any]] = [{"class": c, "probability": p} for c, p in pairs]
        for entry, name in zip(top, self.names, strict=False):
            entry["name"] = name
        body = {"file": self.file, "index": self.index, **top[0]}
        return {**body, "top": top} if len(top) > 1 else body


@dataclasses.dataclass(frozen=True)
class Task:
    """A model, and images that it takes.

    Attributes:
        card: What the model says of itself.
        sources: Files with at least one image.
        config: How to go about it.
    """

    card: ModelCard
    sources: list[Source]
    config: PredictConfig

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(source.count for source in self.sources)


def prepare(model: str, images: list[str], config: PredictConfig) -> Task:
    """Check model and images, without TensorFlow.

    Args:
        model: Folder of the SavedModel, or the one above it.
        images: IDX files, PNG files, or folders of PNG files.
        config: How to go about it.

    Raises:
        DataError: If the model is none, or an image is missing, damaged, or not of the shape and
            type that the model was trained on.
    """
    card = read_card(model)
    return Task(card, find_sources(images, card, config), config)


def predict(task: Task) -> Iterator[Prediction]:
    """Yield a prediction for each image, in order, in constant memory.

    Raises:
        DataError: If the model is damaged, or gives no finite numbers.
        SetupError: If the device is absent.
    """
    for line in contradictions(_images(task), task.card, inverted=task.config.invert):
        say(line)
    size = min(task.config.batch_size, task.count)
    batches = read_batches(task.sources, task.card, size, task.config)
    yield from _classify(task.card, task.config, batches, task.count)


def _images(task: Task) -> Iterator[NDArray[np.generic]]:
    for batch in read_batches(task.sources, task.card, _FEW, task.config):
        yield from batch.images[: batch.real]


def predict_array(
    model: str, images: NDArray[np.generic], config: PredictConfig
) -> Iterator[Prediction]:
    """Yield a prediction for each image of an array, in order; `file` is empty.

    Args:
        model: Folder of the SavedModel, or the one above it.
        images: [B, *image_shape], in the dtype that the model was trained on.
        config: How to go about it.

    Raises:
        DataError: If the model is none, or the images are not of the shape and type that it takes.
        SetupError: If the device is absent.
    """
    card = read_card(model)
    found = np.asarray(images)
    if found.shape[1:] != card.image_shape or found.dtype.name != card.image_dtype:
        raise DataError(
            "images are not what the model takes",
            where="images",
            expected=f"an array [B, {', '.join(map(str, card.image_shape))}] of {card.image_dtype}",
            found=f"{list(found.shape)} of {found.dtype.name}",
            remedy="reshape them, and give their pixels the range and type of the training images",
        )
    if len(found):
        yield from _classify(card, config, _pieces(found, config.batch_size), len(found))


def _pieces(images: NDArray[np.generic], rows: int) -> Iterator[Images]:
    """Yield an array in batches of one size; rows beyond the images are zero."""
    rows = min(rows, len(images))
    for start in range(0, len(images), rows):
        piece = images[start : start + rows]
        names = [("", number) for number in range(start, start + len(piece))]
        missing = [(0, rows - len(piece)), *[(0, 0)] * (images.ndim - 1)]
        yield Images(names, np.pad(piece, missing))


def _classify(
    card: ModelCard, config: PredictConfig, batches: Iterator[Images], count: int
) -> Iterator[Prediction]:
    with quiet_import("predict"):
        from idxpipe.components.evaluate.inference.device import choose_devices
        from idxpipe.components.evaluate.inference.loaded_model import load_model

        devices = choose_devices(DeviceConfig(accelerator=config.accelerator))
    replicas = load_model(card, devices, trust=config.trust_model)
    first = int(card.layout.get("label_offset", 0))
    say(f"predicting with step {card.step} on {', '.join(devices)}, {count} images")
    for batch, logits in with_logits(batches, replicas):
        order = np.argsort(-logits, axis=1, kind="stable")[:, : config.top_k]
        shares = np.take_along_axis(softmax(logits), order, axis=1)
        for (file, index), classes, probabilities in zip(
            batch.names, order.tolist(), shares.tolist(), strict=True
        ):
            names = tuple(card.class_names[number] for number in classes if card.class_names)
            labels = tuple(number + first for number in classes)
            yield Prediction(file, index, labels, tuple(probabilities), names)
