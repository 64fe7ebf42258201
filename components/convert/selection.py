"""Which records of the source a dataset holds, and in which order: computed, position by position.

A position is a place in the order of the whole source; a dataset keeps some of the positions.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.convert.permutation import mix, source_indices
from idxpipe.components.core.dataset.manifest import FILE_ORDER

_BLOCK_POSITIONS = 1 << 20


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is kept of a source, and its order.

    Attributes:
        records: Records of the source.
        shuffle_seed: Seed of the order; -1 keeps the order of the source.
        validation_fraction: Share of the records that belongs to the validation set.
        validation: Whether this is the validation set or the rest.
        stop: Only positions before this one are kept.
        class_stops: The same for each class by itself; empty limits none.
    """

    records: int
    shuffle_seed: int = FILE_ORDER
    validation_fraction: float = 0.0
    validation: bool = False
    stop: int = 0
    class_stops: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Let `stop` default to the number of records."""
        object.__setattr__(self, "stop", self.stop or self.records)

    @property
    def in_sequence(self) -> bool:
        """Whether the records stand in the order of the source."""
        return self.shuffle_seed == FILE_ORDER

    @property
    def reads_whole_source(self) -> bool:
        """Whether reading all positions in order reads every byte of the source in order."""
        return self.in_sequence and self.stop == self.records

    @property
    def keeps_all(self) -> bool:
        """Whether no record is left out."""
        return not self.validation_fraction and self.stop == self.records and not self.class_stops

    def indices(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the record of the source at each position: int64 [rows]."""
        if self.in_sequence:
            return positions
        return source_indices(positions, self.records, self.shuffle_seed)

    def keeps(
        self,
        positions: NDArray[np.int64],
        indices: NDArray[np.int64],
        labels: NDArray[np.integer[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """Tell which positions are kept.

        Args:
            positions: int64 [rows].
            indices: int64 [rows], the records there.
            labels: int64 [rows], their labels; needed where `class_stops` are.

        Returns:
            bool [rows].
        """
        kept = positions < self.stop
        if self.validation_fraction:
            kept &= in_validation(indices, self.validation_fraction) == self.validation
        if self.class_stops and labels is not None:
            kept &= positions < np.asarray(self.class_stops)[labels]
        return kept


def in_validation(indices: NDArray[np.int64], fraction: float) -> NDArray[np.bool_]:
    """Tell which records of a source belong to its validation set.

    It depends on nothing but a record's number: as a data set grows at its end, no record moves
    from one set to the other.

    Args:
        indices: int64 [rows].
        fraction: Share of the validation set.

    Returns:
        bool [rows].
    """
    return mix(indices.astype(np.uint64)) >> np.uint64(11) < np.uint64(fraction * 2.0**53)


def limited(
    selection: Selection, labels: NDArray[np.integer[Any]], max_examples: int, num_classes: int
) -> Selection:
    """Return a whole selection cut to `max_examples`.

    In the order of the source these are the first ones. In a shuffled order they are the first
    ones of each class, as many of each as its share.

    Args:
        selection: What to cut; it keeps all.
        labels: [records], of the whole source.
        max_examples: The most that is kept.
        num_classes: Labels are below it.
    """
    if max_examples >= selection.records:
        return selection
    if selection.in_sequence:
        return dataclasses.replace(selection, stop=max_examples)
    shares = _shares(np.bincount(labels, minlength=num_classes), max_examples)
    stops = _class_stops(selection, labels, shares)
    return dataclasses.replace(selection, class_stops=stops, stop=max(stops))


def cut(selection: Selection, labels: NDArray[np.integer[Any]], counts: list[int]) -> list[int]:
    """Return the positions at which the kept records fall into groups of these sizes.

    Args:
        selection: What is kept.
        labels: [records], of the whole source.
        counts: Kept records in each group; all of them in sum.

    Returns:
        One position more than groups: group k is from the k-th to before the following one.
    """
    firsts = np.cumsum([0, *counts[:-1]])
    if selection.keeps_all:
        return [*firsts.tolist(), selection.stop]
    cuts, seen = [], 0
    for positions, _ in _kept(selection, labels):
        here = firsts[(firsts >= seen) & (firsts < seen + len(positions))]
        cuts += positions[here - seen].tolist()
        seen += len(positions)
    return [0, *cuts[1:], selection.stop]


def count(selection: Selection, labels: NDArray[np.integer[Any]]) -> int:
    """Return how many records are kept."""
    if selection.keeps_all:
        return selection.records
    return sum(len(positions) for positions, _ in _kept(selection, labels))


def _kept(
    selection: Selection, labels: NDArray[np.integer[Any]]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.integer[Any]]]]:
    """Yield the kept positions and their labels, a block at a time."""
    for start in range(0, selection.stop, _BLOCK_POSITIONS):
        positions = np.arange(start, min(start + _BLOCK_POSITIONS, selection.stop))
        indices = selection.indices(positions)
        found = labels[indices]
        kept = selection.keeps(positions, indices, found)
        yield positions[kept], found[kept]


def _class_stops(
    selection: Selection, labels: NDArray[np.integer[Any]], shares: NDArray[np.int64]
) -> tuple[int, ...]:
    """Return for each class the position after its last kept record."""
    stops = np.zeros(len(shares), np.int64)
    missing = shares.copy()
    for positions, found in _kept(selection, labels):
        for label in np.flatnonzero(missing):
            places = positions[found == label][: missing[label]]
            if places.size:
                stops[label] = places[-1] + 1
                missing[label] -= len(places)
        if not missing.any():
            break
    return tuple(stops.tolist())


def _shares(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Split `total` in proportion to `counts`, by largest remainders."""
    exact = counts * total / counts.sum()
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: total - shares.sum()]] += 1
    return shares
