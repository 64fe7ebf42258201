"""Figures of a classifier from its logits and the true labels; NumPy only."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

# The 0.975 quantile of the standard normal distribution: 95 % lie within plus and minus this.
_Z95 = 1.959963984540054


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


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `right` in `total`.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927), 209-212. Unlike the normal approximation it stays in [0, 1] and does not
    collapse at 0 or 1.
    """
    share, z2 = right / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Rounding can put an end just inside of 0, 1 or the share itself.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
