"""A local buffer for what will be published in a remote store in one piece."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import google_crc32c

from idxpipe.components.core.errors import SetupError

_MEMORY_BYTES = 8 << 20


class Spool:
    """A stream that is written once and then read: in memory while small, on disk when large.

    Attributes:
        size: Bytes written so far.
        crc32c: Their CRC32C.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = 0
        self.crc32c = 0

    def write(self, data: Any) -> int:
        """Append `data`, bytes or anything that has the same layout."""
        view = memoryview(data).cast("B")
        try:
            self.file.write(view)
        except OSError as error:
            raise SetupError(
                "cannot buffer a file before its upload",
                where=tempfile.gettempdir(),
                found=error.strerror or str(error),
                remedy="free disk space, or set TMPDIR to a folder that has some",
            ) from None
        self.size += len(view)
        self.crc32c = google_crc32c.extend(
            self.crc32c, data if isinstance(data, bytes) else bytes(view)
        )
        return len(view)


@contextmanager
def spool() -> Iterator[Spool]:
    """Yield an empty spool; it is gone at the end."""
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as file:
        yield Spool(file)
