"""Figures of a classifier from its logits and the true labels; NumPy only."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

MACRO = ("precision", "recall", "f1")


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; a share of nothing is 0.

    Attributes:
        precision: Share of the predictions of this class that are right.
        recall: Share of the examples of this class that are found.
        f1: Harmonic mean of the two.
        support: Number of examples of this class.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclasses.dataclass(frozen=True)
class MacroAverage:
    """Unweighted means over classes.

    Attributes:
        precision: Of the classes' precisions.
        recall: Of their recalls.
        f1: Of their F1.
    """

    precision: float
    recall: float
    f1: float


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities [N, C] of logits [N, C]."""
    return np.exp(_log_softmax(logits))


def cross_entropy(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the loss in nats [N] of logits [N, C] against labels [N]."""
    return -_log_softmax(logits)[np.arange(len(labels)), labels]


def confusion_matrix(
    labels: NDArray[np.int64], classes: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Count how often label i was classified as j.

    Args:
        labels: True classes [N].
        classes: Predicted classes [N].
        num_classes: C.

    Returns:
        int64 [C, C], rows are labels, columns predictions.
    """
    cells = np.bincount(labels * num_classes + classes, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def class_figures(confusion: NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    """Return the figures of each class from a confusion matrix [C, C]."""
    right = np.diagonal(confusion)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return tuple(
        ClassFigures(
            precision=_share(int(right[c]), int(predicted[c])),
            recall=_share(int(right[c]), int(support[c])),
            f1=_share(2 * int(right[c]), int(predicted[c] + support[c])),
            support=int(support[c]),
        )
        for c in range(len(confusion))
    )


def macro_average(classes: tuple[ClassFigures, ...], confusion: NDArray[np.int64]) -> MacroAverage:
    """Return the means over the classes that are there or were predicted.

    A class that the split does not hold and the model never names says nothing of either.
    """
    occur = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    present = [figures for figures, there in zip(classes, occur, strict=True) if there]
    means = (sum(getattr(c, name) for c in present) / len(present) for name in MACRO)
    return MacroAverage(*means)


def ranks(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes [N] come before the label; 0 is a right answer.

    Among equal logits the smaller class comes first, as with argmax.

    Args:
        logits: [N, C].
        labels: True classes [N].
    """
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    before: NDArray[np.int64] = ((logits > own) | ((logits == own) & earlier)).sum(axis=1)
    return before


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
