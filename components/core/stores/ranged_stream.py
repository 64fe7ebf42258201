"""A remote file as a stream: fetched range by range, its checksum compared at the end."""

import io
from collections.abc import Callable
from typing import Any

import google_crc32c

from idxpipe.components.core.errors import ChangedError, TransientError

_FIRST_BYTES = 64 << 10
_MOST_BYTES = 8 << 20


class RangedStream(io.BufferedIOBase):
    """Reads ahead in growing steps: little for a look at the header, much for a whole file.

    Args:
        uri: What is read, for errors.
        fetch: From the first byte and a number of bytes to that many bytes, or fewer if the
            transfer was cut; it retries on its own.
        size: Length of the file in bytes.
        start: Where to begin.
        crc32c: Checksum of the whole file; compared if all of it is read.
    """

    def __init__(
        self,
        uri: str,
        fetch: Callable[[int, int], bytes],
        size: int,
        start: int = 0,
        crc32c: int | None = None,
    ) -> None:
        self._uri = uri
        self._fetch = fetch
        self._size = size
        self._next = start
        self._ready = memoryview(b"")
        self._step = _FIRST_BYTES
        self._expected = crc32c if start == 0 else None
        self._crc32c = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return `size` bytes, fewer at the end of the file; all that follow if it is negative.

        Raises:
            ChangedError: If the file became shorter, or is another one by now.
            TransientError: If what was read does not fit the file's checksum.
        """
        wanted = self._size if size is None or size < 0 else size
        parts = []
        while wanted and (self._ready or self._advance(wanted)):
            part = self._ready[:wanted]
            self._ready = self._ready[len(part) :]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        """Return what `read` would."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the file goes; return the number of bytes."""
        data = self.read(len(buffer))
        memoryview(buffer).cast("B")[: len(data)] = data
        return len(data)

    def _advance(self, wanted: int) -> bool:
        """Fetch the next range; tell whether there was one."""
        length = min(max(self._step, min(wanted, _MOST_BYTES)), self._size - self._next)
        if length <= 0:
            return False
        data = self._fetch(self._next, length)
        if not data:
            raise ChangedError(self._uri, offset=self._next, expected=f"{self._size} bytes")
        self._next += len(data)
        self._step = min(2 * max(length, self._step), _MOST_BYTES)
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        if self._next == self._size and self._expected not in (None, self._crc32c):
            raise TransientError(
                "what was read does not fit the file's checksum",
                where=self._uri,
                expected=f"CRC32C {self._expected:08x}",
                found=f"{self._crc32c:08x}",
                remedy="try again; if it stays, fetch or write the file anew",
            )
        self._ready = memoryview(data)
        return True
