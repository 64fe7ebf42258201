"""What the labels of a split say beyond their counts: all of them, and where each class begins."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.idx.labels import MAX_CLASSES, label_column
from idxpipe.components.core.idx.rows import Rows
from idxpipe.components.validate.pixels import MAX_COMPARED

SAMPLES_PER_CLASS = 8
# A page with more is no longer read.
SAMPLED_CLASSES = 100


class LabelStatistics:
    """Keeps labels, and the numbers of the first examples of each class.

    Args:
        header: Of the labels file.
        column: Which number of a record is the label.
        label_offset: The label of class 0.

    Attributes:
        runs: Runs of equal labels so far.
        first: Numbers of the first `SAMPLES_PER_CLASS` examples of each class below
            `SAMPLED_CLASSES`.
    """

    def __init__(self, header: Header, column: int, label_offset: int = 0) -> None:
        self.first: dict[int, list[int]] = {}
        self._header = header
        self._column = column
        self._label_offset = label_offset
        self.runs = 0
        self._last: int | None = None
        # 2 bytes for each image that is compared with others: no label is above `MAX_CLASSES`.
        self._kept = np.empty(min(header.records, MAX_COMPARED), np.int16)
        self._seen = 0
        self._rows = Rows(header.record_bytes, self._take)

    def __call__(self, data: bytes, offset: int) -> None:
        """Look at the next piece of the file's data."""
        self._rows(data, offset)

    def flush(self) -> None:
        """Look at what is left at the end of the file."""
        self._rows.flush()

    @property
    def labels(self) -> NDArray[np.int16]:
        """The labels seen so far, at most `MAX_COMPARED`."""
        return self._kept[: self._seen]

    def _take(self, data: memoryview, first: int) -> None:
        labels = label_column(data, self._header, self._column, self._label_offset)
        self.runs += int(np.count_nonzero(labels[1:] != labels[:-1]))
        self.runs += int(labels[0]) != self._last
        self._last = int(labels[-1])
        kept = self._kept[first : first + len(labels)]
        kept[:] = np.clip(labels[: len(kept)], -1, MAX_CLASSES)
        self._seen = first + len(labels)
        inside = np.flatnonzero((labels >= 0) & (labels < SAMPLED_CLASSES))
        self._sample(labels[inside], inside + first)

    def _sample(self, labels: NDArray[Any], numbers: NDArray[Any]) -> None:
        order = np.argsort(labels, kind="stable")
        classes, begins = np.unique(labels[order], return_index=True)
        for label, begin, end in zip(
            classes.tolist(), begins, [*begins[1:], len(order)], strict=True
        ):
            kept = self.first.setdefault(label, [])
            room = SAMPLES_PER_CLASS - len(kept)
            kept += numbers[order[begin : min(end, begin + room)]].tolist()
