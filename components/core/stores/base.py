"""What a kind of storage must do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol


class Store(Protocol):
    """What a kind of storage must do. Paths are whatever follows the scheme."""

    def size(self, path: str) -> int | None:
        """Return the length in bytes, or None when there is no such file."""

    def crc32c(self, path: str) -> int | None:
        """Return the checksum that the store keeps of the file; None if it keeps none."""

    def version(self, path: str) -> str | None:
        """Return what tells a file's content from what it is later; None if nothing does."""

    def read(self, path: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""

    def open(self, path: str, start: int) -> BinaryIO:
        """Return a stream that reads from byte `start`."""

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a stream; publish what was written to it if the block ends without an error."""

    def put(self, local: str, path: str) -> None:
        """Publish a copy of the local file `local`."""

    def list(self, path: str) -> dict[str, int]:
        """Return the size in bytes of every file below `path`, by its name relative to it."""

    def folders(self, path: str) -> set[str]:
        """Return the names of the folders in `path` itself; none if there is no such folder."""

    def delete(self, path: str) -> None:
        """Delete a file, or everything below a folder; missing ones are fine."""

    def sweep(self, path: str) -> None:
        """Delete the temporary files that processes which no longer run left in a folder."""

    def check_access(self, path: str, *, write: bool) -> None:
        """Raise if files below `path` cannot be read, or not written; leave nothing there."""
