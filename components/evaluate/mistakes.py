"""The most confidently wrong examples, with their images."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.evaluate.batches import Batch
from idxpipe.components.evaluate.metrics.metrics import softmax


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One wrongly classified example.

    Attributes:
        index: Its number in the split, from 0.
        label: What it is.
        predicted: What the model took it for.
        confidence: Probability that the model gave to `predicted`.
        image: Its pixels.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    image: NDArray[np.generic]


def mistakes_in(batch: Batch, logits: NDArray[np.float32], first: int) -> list[Mistake]:
    """Return the wrongly classified examples of a batch.

    Args:
        batch: The examples.
        logits: [B, C].
        first: Number of the batch's first example in the split.
    """
    classes = logits.argmax(axis=1)
    wrong = np.flatnonzero(classes[: batch.real] != batch.labels[: batch.real])
    probabilities = softmax(logits[wrong])
    return [
        Mistake(
            index=first + int(row),
            label=int(batch.labels[row]),
            predicted=int(classes[row]),
            confidence=float(shares.max()),
            image=batch.images[row].copy(),
        )
        for row, shares in zip(wrong, probabilities, strict=True)
    ]


def worst(mistakes: list[Mistake], count: int) -> list[Mistake]:
    """Return the `count` most confident mistakes, most confident first; ties in split order."""
    return sorted(mistakes, key=lambda m: (-m.confidence, m.index))[:count]
