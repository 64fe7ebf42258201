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


def label_column(data: "Buffer", header: Header, column: int) -> "NDArray[np.integer]":
    """Return the labels in some whole records of a labels file.

    Args:
        data: Records as they stand in the file.
        header: Of that file. Its records are numbers, or rows of numbers as in QMNIST, of which one
            is the class: https://github.com/facebookresearch/qmnist
        column: Which one; 0 where records are numbers.

    Returns:
        [records], big-endian as in the file.
    """
    import numpy as np

    numbers = np.frombuffer(data, np.dtype(header.dtype).newbyteorder(">"))
    return numbers.reshape(-1, header.record_bytes // ITEM_BYTES[header.dtype])[:, column]


class LabelCount:
    """Counts the labels of a file, a piece at a time.

    Args:
        uri: The labels file, for the error.
        header: Its header.
        num_classes: Labels must be below; 0 allows as many as `MAX_CLASSES`.
        column: Which number of a record is the label.

    Attributes:
        counts: Labels of each class so far, up to the largest label.
        bad: Number of labels that are out of range.
    """

    def __init__(self, uri: str, header: Header, num_classes: int, column: int = 0) -> None:
        self.counts: list[int] = []
        self.bad = 0
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

        labels = label_column(data, self._header, self._column)
        wrong = (labels < 0) | (labels >= self._limit)
        if wrong.any():
            at = int(wrong.argmax())
            if not self.bad:
                item = self._column * ITEM_BYTES[self._header.dtype]
                self._first_bad = (self._header.offset(first + at) + item, int(labels[at]))
            self.bad += int(np.count_nonzero(wrong))
            labels = labels[~wrong]
        counts = np.bincount(labels, minlength=len(self.counts))
        counts[: len(self.counts)] += np.array(self.counts, np.int64)
        self.counts = counts.tolist()

    def fault(self) -> DataError | None:
        """Return the error that says which label is out of range; None if none is."""
        if not self.bad:
            return None
        offset, value = self._first_bad
        more = f", and {self.bad - 1} more out of range" if self.bad > 1 else ""
        return DataError(
            "label out of range",
            where=self._uri,
            offset=offset,
            expected=f"0 to {self._limit - 1}",
            found=f"{value}{more}",
            remedy="fix the labels, or set num_classes to the number of classes "
            "(0 counts them from the training labels)",
            code=Code.LABEL_RANGE,
        )
