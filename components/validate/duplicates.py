"""Images that are there more than once, from a hash of each."""

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Images that equal an earlier one.

    Attributes:
        count: How many there are.
        number: Number of the first of them.
        original: Number of the image that it equals: in its own split, or in the other one.
    """

    count: int
    number: int
    original: int


def within(
    keys: NDArray[np.uint64], labels: NDArray[np.int16] | None = None
) -> tuple[Repeats | None, Repeats | None]:
    """Find the images of a split that equal an earlier one of it.

    Args:
        keys: Hash of each image.
        labels: Label of each, or None.

    Returns:
        All of them, and those among them that are labelled otherwise than the image before them of
        the same bytes.
    """
    ordered = np.sort(keys)
    # Most often there are none, and this takes a tenth of the time of telling which.
    if not (ordered[1:] == ordered[:-1]).any():
        return None, None
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    every = _first(order[same + 1], order[same])
    if labels is None or len(labels) < len(keys):
        return every, None
    differ = same[labels[order[same + 1]] != labels[order[same]]]
    return every, _first(order[differ + 1], order[differ])


def across(keys: NDArray[np.uint64], others: NDArray[np.uint64]) -> Repeats | None:
    """Find the images of a split that are in another one, too.

    Args:
        keys: Hash of each image of the split.
        others: Hash of each image of the other one.
    """
    # Most often there are none; and sorted ones are looked up several times as fast.
    mine, theirs = np.sort(keys), np.sort(others)
    if not (theirs[np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)] == mine).any():
        return None
    order = np.argsort(others, kind="stable")
    place = np.searchsorted(others, keys, sorter=order)
    found = order[np.minimum(place, len(others) - 1)]
    numbers = np.flatnonzero(others[found] == keys)
    return _first(numbers, found[numbers])


def _first(numbers: NDArray[np.intp], originals: NDArray[np.intp]) -> Repeats | None:
    if not len(numbers):
        return None
    at = int(numbers.argmin())
    return Repeats(len(numbers), int(numbers[at]), int(originals[at]))
