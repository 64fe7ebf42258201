"""What a labels file says, looked at as it is read: counts, and labels that cannot be."""

from typing import TYPE_CHECKING

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.header import ITEM_BYTES, Header
from idxpipe.components.core.idx.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | memoryview | NDArray[np.uint8]

LABEL_TYPES = ("uint8", "int8", "int16", "int32")
# A confusion matrix of so many classes is 800 MB; one damaged int32 label would ask for 2**31.
MAX_CLASSES = 10_000
# Stands for a column: the class is where the largest number of the row is.
ONE_HOT = -1
# Fewer rows say nothing of what their columns mean.
_FEWEST_ROWS = 2
# Shorter runs of one class are in reach of any shuffle.
_LONG_RUNS = 10


def label_column(
    data: "Buffer", header: Header, column: int, label_offset: int = 0
) -> "NDArray[np.integer]":
    """Return the classes in some whole records of a labels file.

    Args:
        data: Records as they stand in the file.
        header: Of that file. Its records are numbers, or rows of numbers as in QMNIST, of which one
            is the class: https://github.com/facebookresearch/qmnist
        column: Which one; 0 where records are numbers, `ONE_HOT` the place of the largest.
        label_offset: The label of class 0.

    Returns:
        [records], big-endian as in the file unless an offset or a place was taken.
    """
    import numpy as np

    rows = _rows(data, header)
    labels = rows.argmax(axis=1) if column == ONE_HOT else rows[:, column]
    return labels.astype(np.int64) - label_offset if label_offset else labels


def _swapped(value: int, size: int) -> int:
    """Return a number read in the other byte order; -1 of a single byte."""
    if size == 1:
        return -1
    return int.from_bytes(value.to_bytes(size, "big", signed=True), "little", signed=True)


def _rows(data: "Buffer", header: Header) -> "NDArray[np.integer]":
    import numpy as np

    numbers = np.frombuffer(data, np.dtype(header.dtype).newbyteorder(">"))
    return numbers.reshape(-1, header.record_bytes // ITEM_BYTES[header.dtype])


def is_sorted(runs: int, classes: int, examples: int) -> bool:
    """Tell whether labels stand in the order of their classes, or nearly.

    Args:
        runs: Runs of equal labels; at random there are nearly as many as examples.
        classes: Classes that there are.
        examples: How many labels.
    """
    return classes > 1 and runs <= 2 * classes and examples >= _LONG_RUNS * runs


class LabelCount:
    """Counts the labels of a file, a piece at a time.

    Args:
        uri: The labels file, for the error.
        header: Its header.
        num_classes: Labels must be below; 0 allows as many as `MAX_CLASSES`.
        column: Which number of a record is the label.
        label_offset: The label of class 0.

    Attributes:
        counts: Labels of each class so far, up to the largest label.
        bad: Number of labels that are out of range.
    """

    def __init__(
        self,
        uri: str,
        header: Header,
        num_classes: int,
        column: int = 0,
        label_offset: int = 0,
    ) -> None:
        self.counts: list[int] = []
        self.bad = 0
        self._label_offset = label_offset
        # Until a row shows that it is not; of rows that are said to be, the first that is not.
        self._one_hot = len(header.shape) == 2 and header.shape[1] > 1
        self._not_one_hot: int | None = None
        self._first_bad = (0, 0)
        self._uri = uri
        self._header = header
        self._column = column
        self._limit = num_classes or MAX_CLASSES
        self._rows = Rows(header.record_bytes, self._take)

    @property
    def largest(self) -> int:
        """The largest label in range; -1 if there is none."""
        return len(self.counts) - 1

    def __call__(self, data: bytes, offset: int) -> None:
        """Look at the next piece of the file's data."""
        self._rows(data, offset)
        self._rows.flush()

    def _take(self, data: memoryview, first: int) -> None:
        import numpy as np

        if self._one_hot or self._column == ONE_HOT:
            self._look_at_rows(_rows(data, self._header), first)
        labels = label_column(data, self._header, self._column, self._label_offset)
        wrong = (labels < 0) | (labels >= self._limit)
        if wrong.any():
            at = int(wrong.argmax())
            if not self.bad:
                item = max(0, self._column) * ITEM_BYTES[self._header.dtype]
                self._first_bad = (self._header.offset(first + at) + item, int(labels[at]))
            self.bad += int(np.count_nonzero(wrong))
            labels = labels[~wrong]
        counts = np.bincount(labels, minlength=len(self.counts))
        counts[: len(self.counts)] += np.array(self.counts, np.int64)
        self.counts = counts.tolist()

    def _look_at_rows(self, rows: "NDArray[np.integer]", first: int) -> None:
        import numpy as np

        wide = rows.astype(np.int64)
        good = ((wide == 0) | (wide == 1)).all(axis=1) & (wide.sum(axis=1) == 1)
        if self._not_one_hot is None and not good.all():
            self._not_one_hot = first + int(np.argmin(good))
            self._one_hot = False

    def rows_fault(self) -> DataError | None:
        """Return the error that rows are one-hot though a column was to be taken, or the reverse.

        To be asked once all of the file was seen.
        """
        if self._column == ONE_HOT and self._not_one_hot is not None:
            return DataError(
                "label record is no one-hot row",
                where=self._uri,
                offset=self._header.offset(self._not_one_hot),
                expected="a single 1 among zeros, as one_hot says",
                found=f"something else in record {self._not_one_hot}",
                remedy="leave out one_hot, and set label_column to the column of the class",
                code=Code.ONE_HOT,
            )
        if self._column == ONE_HOT or not self._one_hot or self._header.records < _FEWEST_ROWS:
            return None
        return DataError(
            "labels are one-hot rows",
            where=self._uri,
            offset=8,
            expected="the class itself in one of the columns",
            found=f"{self._header.records} rows of {self._header.shape[1]}, each a single 1 among "
            "zeros",
            remedy="set one_hot to true: the class is the column of the 1; no label_column fits",
            code=Code.ONE_HOT,
        )

    def fault(self) -> DataError | None:
        """Return the error that says which label is out of range; None if none is."""
        if not self.bad:
            return None
        offset, value = self._first_bad
        low = self._label_offset
        value += low
        more = f", and {self.bad - 1} more out of range" if self.bad > 1 else ""
        return DataError(
            "label out of range",
            where=self._uri,
            offset=offset,
            expected=f"{low} to {low + self._limit - 1}",
            found=f"{value}{more}",
            remedy=self._remedy(value),
            code=Code.LABEL_RANGE,
        )

    def _remedy(self, value: int) -> str:
        if value < self._label_offset:
            return (
                "leave these examples out, or set label_offset to the smallest label if it is "
                "that of a class"
            )
        if value == self._limit and not self._label_offset and not (self.counts or [0])[0]:
            return "labels begin at 1: set label_offset to 1"
        if self._limit > _swapped(value, ITEM_BYTES[self._header.dtype]) > 0:
            return "these are little-endian numbers: write them big-endian"
        if ord("0") <= value <= ord("9") and not any(self.counts):
            return "these are characters, '0' to '9': set label_offset to 48"
        return (
            "fix the labels, or set num_classes to the number of classes "
            "(0 counts them from the training labels)"
        )
