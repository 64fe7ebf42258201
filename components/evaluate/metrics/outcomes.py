"""What became of each example: gathered batch by batch, some 40 bytes an example."""

import base64
import dataclasses

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.evaluate.metrics.metrics import cross_entropy, ranks, softmax


@dataclasses.dataclass(frozen=True)
class Examples:
    """Which examples were evaluated, in which order, and which of them were classified right.

    Attributes:
        images: Fingerprint of their pixels, little-endian, in C order.
        labels: Fingerprint of their labels, little-endian int64.
        right: One bit an example, the first one highest in the first byte, in base64.
    """

    images: str
    labels: str
    right: str


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """The answers to N examples.

    Attributes:
        labels: True classes [N].
        classes: Predicted classes [N].
        confidences: Probability of the predicted class [N].
        losses: Cross-entropy in nats [N].
        ranks: Number of classes that the model puts before the label [N].
        examples: Which examples they were.
    """

    labels: NDArray[np.int64]
    classes: NDArray[np.int64]
    confidences: NDArray[np.float64]
    losses: NDArray[np.float64]
    ranks: NDArray[np.int64]
    examples: Examples


class Gathering:
    """Takes batches of answers; `outcomes` gives all of them."""

    def __init__(self) -> None:
        self._batches: list[tuple[NDArray[np.generic], ...]] = []
        self._images = self._labels = Fingerprint()
        self.count = 0

    def add(
        self,
        images: NDArray[np.generic],
        labels: NDArray[np.int64],
        logits: NDArray[np.float32],
    ) -> None:
        """Take the answers to one batch.

        Args:
            images: [B, *image_shape].
            labels: True classes [B].
            logits: [B, C].
        """
        little = images.dtype.newbyteorder("<")
        self._images = self._images.extend(images.astype(little, copy=False).tobytes())
        self._labels = self._labels.extend(labels.astype("<i8", copy=False).tobytes())
        self.count += len(labels)
        self._batches.append(
            (
                # Classes are below 10,000 (checks.MAX_CLASSES).
                labels.astype(np.int16),
                logits.argmax(axis=1).astype(np.int16),
                softmax(logits).max(axis=1),
                cross_entropy(logits, labels),
                ranks(logits, labels).astype(np.int16),
            )
        )

    def outcomes(self) -> Outcomes:
        """Return the answers to all examples that were added, in that order."""
        columns = [np.concatenate(column) for column in zip(*self._batches, strict=True)]
        labels, classes, confidences, losses, before = columns
        bits = base64.b64encode(np.packbits(labels == classes).tobytes()).decode()
        return Outcomes(
            labels=labels.astype(np.int64),
            classes=classes.astype(np.int64),
            confidences=confidences,
            losses=losses,
            ranks=before.astype(np.int64),
            examples=Examples(str(self._images), str(self._labels), bits),
        )
