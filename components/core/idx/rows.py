"""Whole records from pieces that end anywhere."""

from collections.abc import Callable

_BLOCK_BYTES = 192 << 10


class Rows:
    """Gathers what `checks.read_content` sees into blocks of whole records.

    Every block is the same memory again: fresh memory costs more than all that is done with it.

    Args:
        record_bytes: Length of a record.
        take: Called with some whole records and the number of the first of them; what it keeps it
            must copy.
        block_bytes: About the size of a block; it has one record at least.
    """

    def __init__(
        self,
        record_bytes: int,
        take: Callable[[memoryview, int], None],
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        import numpy as np

        self._record_bytes = record_bytes
        self._take = take
        size = max(1, block_bytes // record_bytes) * record_bytes
        self._block = memoryview(np.empty(size, np.uint8))  # type: ignore[arg-type]
        self._filled = 0
        self._next = 0

    def __call__(self, data: bytes, offset: int) -> None:
        """Take the next piece; its offset is not needed, as pieces follow each other."""
        piece = memoryview(data)
        while piece:
            part = piece[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            piece = piece[len(part) :]
            if self._filled == len(self._block):
                self.flush()

    def flush(self) -> None:
        """Hand on the whole records that are there; what is left is the beginning of the next."""
        count = self._filled // self._record_bytes
        whole = count * self._record_bytes
        if count:
            self._take(self._block[:whole], self._next)
        left = self._filled - whole
        self._block[:left] = bytes(self._block[whole : self._filled])
        self._filled = left
        self._next += count
