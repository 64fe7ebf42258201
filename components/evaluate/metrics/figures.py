"""All figures of an evaluation, from the answers to its examples."""

import dataclasses

import numpy as np

from idxpipe.components.evaluate.metrics.calibration import (
    Bin,
    calibration_bins,
    expected_calibration_error,
)
from idxpipe.components.evaluate.metrics.intervals import bootstrap_interval, wilson_interval
from idxpipe.components.evaluate.metrics.metrics import (
    ClassFigures,
    MacroAverage,
    class_figures,
    confusion_matrix,
    macro_average,
)
from idxpipe.components.evaluate.metrics.outcomes import Outcomes


@dataclasses.dataclass(frozen=True)
class Slice:
    """The examples of one label.

    Attributes:
        label: It.
        num_examples: How many there are; if none, all else is None.
        accuracy: Share that is classified right.
        accuracy_interval_95: Its Wilson interval: slices are small, and often wholly right.
        loss: Mean cross-entropy in nats.
        confidence: Mean probability of the predicted class.
    """

    label: int
    num_examples: int
    accuracy: float | None = None
    accuracy_interval_95: tuple[float, float] | None = None
    loss: float | None = None
    confidence: float | None = None


@dataclasses.dataclass(frozen=True)
class Figures:
    """What an evaluation found.

    Attributes:
        accuracy: Share of the examples that are classified right.
        low: Lower end of the accuracy's 95 % bootstrap interval.
        high: Upper end of it.
        wilson: Both ends of the Wilson interval, which does not collapse where all are right.
        loss: Mean cross-entropy in nats.
        num_examples: How many were evaluated.
        top_k: How many classes count for `top_k_accuracy`, at most all.
        top_k_accuracy: Share whose label is among the `top_k` most probable classes.
        macro: Means over the classes.
        calibration_error: Expected calibration error.
        bins: Reliability: confidence and accuracy by confidence.
        confusion: Counts, rows are labels, columns predictions.
        classes: Figures of each class.
        slices: Figures of the examples of each label.
    """

    accuracy: float
    low: float
    high: float
    wilson: tuple[float, float]
    loss: float
    num_examples: int
    top_k: int
    top_k_accuracy: float
    macro: MacroAverage
    calibration_error: float
    bins: tuple[Bin, ...]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassFigures, ...]
    slices: tuple[Slice, ...]


def figures_of(outcomes: Outcomes, num_classes: int, top_k: int) -> Figures:
    """Return the figures of at least one answer.

    Args:
        outcomes: The answers.
        num_classes: C.
        top_k: Of so many most probable classes one must be the label; at most C count.
    """
    correct = outcomes.labels == outcomes.classes
    right, total = int(correct.sum()), len(correct)
    low, high = bootstrap_interval(right, total)
    confusion = confusion_matrix(outcomes.labels, outcomes.classes, num_classes)
    classes = class_figures(confusion)
    bins = calibration_bins(outcomes.confidences, correct)
    k = min(top_k, num_classes)
    return Figures(
        accuracy=right / total,
        low=low,
        high=high,
        wilson=wilson_interval(right, total),
        loss=float(outcomes.losses.mean()),
        num_examples=total,
        top_k=k,
        top_k_accuracy=float((outcomes.ranks < k).mean()),
        macro=macro_average(classes, confusion),
        calibration_error=expected_calibration_error(bins),
        bins=bins,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        classes=classes,
        slices=_slices(outcomes, num_classes),
    )


def _slices(outcomes: Outcomes, num_classes: int) -> tuple[Slice, ...]:
    def sums(weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
        found: list[float] = np.bincount(outcomes.labels, weights, num_classes).tolist()
        return found

    counts = np.bincount(outcomes.labels, minlength=num_classes).tolist()
    rights = sums((outcomes.labels == outcomes.classes).astype(np.float64))
    losses, confidences = sums(outcomes.losses), sums(outcomes.confidences)
    return tuple(
        Slice(
            label,
            count,
            rights[label] / count,
            wilson_interval(int(rights[label]), count),
            losses[label] / count,
            confidences[label] / count,
        )
        if count
        else Slice(label, 0)
        for label, count in enumerate(counts)
    )
