"""How far a classifier's confidence is from how often it is right; NumPy only."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 15


@dataclasses.dataclass(frozen=True)
class Bin:
    """The examples whose confidence lies in (low, high].

    Attributes:
        low: Lower bound, not included.
        high: Upper bound, included.
        count: Number of examples.
        right: How many of them are classified right.
        confidence: Their mean confidence; None if there are none.
    """

    low: float
    high: float
    count: int
    right: int
    confidence: float | None

    @property
    def accuracy(self) -> float | None:
        """Share of the examples that are classified right; None if there are none."""
        return self.right / self.count if self.count else None


def calibration_bins(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sort examples into `NUM_BINS` bins of equal width by their confidence.

    Args:
        confidences: Probability [N] that the model gave to the class it predicted, in (0, 1].
        right: Whether that class is the label [N].
    """
    edges = np.linspace(0.0, 1.0, NUM_BINS + 1)
    number = np.searchsorted(edges[1:-1], confidences)
    counts = np.bincount(number, minlength=NUM_BINS)
    rights = np.bincount(number[right], minlength=NUM_BINS)
    sums = np.bincount(number, weights=confidences, minlength=NUM_BINS)
    return tuple(
        Bin(
            low=float(edges[b]),
            high=float(edges[b + 1]),
            count=int(counts[b]),
            right=int(rights[b]),
            confidence=float(sums[b] / counts[b]) if counts[b] else None,
        )
        for b in range(NUM_BINS)
    )


def expected_calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the mean over all examples of |accuracy - mean confidence| of their bin.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On calibration of modern neural networks,
    ICML 2017, equation 3.
    """
    total = sum(b.count for b in bins)
    gaps = (
        b.count * abs(b.accuracy - b.confidence)
        for b in bins
        if b.accuracy is not None and b.confidence is not None
    )
    return sum(gaps) / total
