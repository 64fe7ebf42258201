"""What the classes of a dataset mean for its training: weights, order, and what a loss is worth."""

import math
from collections.abc import Sequence
from typing import Any

from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.narration import say

NONE, BALANCED = CLASS_WEIGHTS = ("none", "balanced")
# A loss so many times that of a guess by the classes' shares is no noise.
_ABSURD = 3.0
# A loss so near that of such a guess, after so many steps, is one.
_GUESSED = 0.02
_MANY_STEPS = 500
_LAST_POINTS = 3


def class_weights(kind: str, class_counts: Sequence[int]) -> tuple[float, ...]:
    """Return what an example of each class counts in the loss: 1 in the mean over the examples.

    Args:
        kind: One of `CLASS_WEIGHTS`.
        class_counts: Examples of each class.

    Returns:
        With `balanced` as much for each class in sum; with `none` nothing.
    """
    if kind == NONE:
        return ()
    classes = sum(1 for count in class_counts if count)
    return tuple(sum(class_counts) / (classes * count) if count else 0.0 for count in class_counts)


def check_mixed(records: str, dataset: Dataset, shuffle_buffer: int) -> None:
    """Check that examples that are sorted by class are shuffled as a whole.

    Raises:
        UsageError: If they are not: the last class would be all that the network knows.
    """
    if not dataset.sorted_by_class or shuffle_buffer >= dataset.num_examples:
        return
    raise UsageError(
        "examples are sorted by class, and only shuffled within windows",
        where=records,
        expected=f"a shuffle_buffer of at least {dataset.num_examples}, or records in random order",
        found=f"a shuffle_buffer of {shuffle_buffer}, and records in the order of the IDX files",
        remedy="convert with a shuffle_seed of 0 or more, which mixes the records once for all; or "
        "raise shuffle_buffer, if there is the memory",
    )


def check_converged(
    points: Sequence[dict[str, Any]], class_counts: Sequence[int], checkpoint: str | None
) -> None:
    """Check that a training came to something; say so if it did not.

    Args:
        points: Of its history.
        class_counts: Examples of each class.
        checkpoint: The newest, for the error.

    Raises:
        DataError: If the loss ended far above that of a guess, and above where it began.
    """
    losses = [float(point["loss"]) for point in points if "loss" in point]
    if not losses:
        return
    guess = _entropy(class_counts)
    last = min(losses[-_LAST_POINTS:])
    if len(losses) > _LAST_POINTS and last > _ABSURD * max(guess, 1.0) and last >= losses[0]:
        raise DataError(
            f"training diverged: the loss ended at {losses[-1]:.4g}",
            where=f"step {points[-1]['step']}",
            expected=f"less than {guess:.4g}, the loss of a guess by the classes' shares",
            found=f"{losses[0]:.4g} at first, {last:.4g} at best of late; "
            f"last checkpoint: {checkpoint}",
            remedy="lower learning_rate, or look at the pixels' range: pixel_range of convert; "
            "nothing was exported",
        )
    if points[-1]["step"] >= _MANY_STEPS and guess and abs(last - guess) < _GUESSED * guess:
        say(
            f"warning: the loss ended at {last:.4g}, where a guess by the classes' shares is "
            f"{guess:.4g}: nothing was learned. Do labels and images belong together?"
        )


def _entropy(counts: Sequence[int]) -> float:
    shares = [count / sum(counts) for count in counts if count]
    return -sum(share * math.log(share) for share in shares)
