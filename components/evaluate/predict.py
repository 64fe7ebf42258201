"""Classify images with a trained model."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.model import ModelCard, read_card
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.evaluate.config import PredictConfig
from idxpipe.components.evaluate.images import Source, find_sources, read_batches
from idxpipe.components.evaluate.metrics.metrics import softmax
from idxpipe.components.evaluate.replicas import with_logits


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model takes an image for.

    Attributes:
        file: URI of its file.
        index: Number of the image in the file, from 0.
        classes: The most probable classes, most probable first; of equal ones the smaller first.
        probabilities: Theirs.
    """

    file: str
    index: int
    classes: tuple[int, ...]
    probabilities: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the prediction; `top` is there if more than one class was asked for."""
        pairs = zip(self.classes, self.probabilities, strict=True)
        top = [{"class": c, "probability": p} for c, p in pairs]
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
    return Task(card, find_sources(images, card), config)


def predict(task: Task) -> Iterator[Prediction]:
    """Yield a prediction for each image, in order, in constant memory.

    Raises:
        DataError: If the model is damaged, or gives no finite numbers.
        SetupError: If the device is absent.
    """
    with quiet_import():
        from idxpipe.components.evaluate.device import choose_devices
        from idxpipe.components.evaluate.loaded_model import load_model

        devices = choose_devices(DeviceConfig(accelerator=task.config.accelerator))
    replicas = load_model(task.card, devices)
    say(f"predicting with step {task.card.step} on {', '.join(devices)}, {task.count} images")
    size = min(task.config.batch_size, task.count)
    batches = read_batches(task.sources, task.card, size)
    for batch, logits in with_logits(batches, replicas):
        order = np.argsort(-logits, axis=1, kind="stable")[:, : task.config.top_k]
        shares = np.take_along_axis(softmax(logits), order, axis=1)
        for (file, index), classes, probabilities in zip(
            batch.names, order.tolist(), shares.tolist(), strict=True
        ):
            yield Prediction(file, index, tuple(classes), tuple(probabilities))
