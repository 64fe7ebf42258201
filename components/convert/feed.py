"""A packed file that the workers of this process read while it is unpacked, without a copy on disk.

A gzip file has no places to start from: it is read once, from its start, so the shards are made one
after the other, while a thread unpacks what comes next.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Chunks of `core/content.py`, of 1 MB: what the one is ahead of the other.
_CHUNKS_AHEAD = 16
_LOOK_SECONDS = 0.1


class AbandonedError(Exception):
    """Nobody wants the rest of the file any more."""


class Feed:
    """The bytes of a file, in order, from the thread that unpacks it to the one that wants them.

    Args:
        start: Byte offset of the first byte that is put in.
    """

    def __init__(self, start: int) -> None:
        self._chunks: queue.Queue[bytes | Exception] = queue.Queue(_CHUNKS_AHEAD)
        self._abandoned = threading.Event()
        self._held = memoryview(b"")
        self._offset = start

    def put(self, chunk: bytes | Exception) -> None:
        """Hand over the next bytes, or the error that came in their place; wait for room.

        Raises:
            AbandonedError: If nobody wants them.
        """
        while True:
            if self._abandoned.is_set():
                raise AbandonedError
            with suppress(queue.Full):
                return self._chunks.put(chunk, timeout=_LOOK_SECONDS)

    def abandon(self) -> None:
        """Say that no more is wanted."""
        self._abandoned.set()

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, of bytes, with the next ones; return its length.

        Raises:
            Exception: What came in their place.
        """
        room, filled = memoryview(buffer), 0
        while filled < len(room):
            if not self._held:
                self._held = self._next()
            part = self._held[: len(room) - filled]
            room[filled : filled + len(part)] = part
            self._held = self._held[len(part) :]
            filled += len(part)
        self._offset += filled
        return filled

    def check_at(self, offset: int) -> None:
        """Check that `offset` is where the next byte is from.

        Raises:
            ValueError: If it is not: what was read cannot be read again.
        """
        if offset != self._offset:
            raise ValueError(f"fed in order: byte {self._offset} comes next, not {offset}")

    def _next(self) -> memoryview:
        chunk = self._chunks.get()
        if isinstance(chunk, Exception):
            raise chunk
        return memoryview(chunk)


# By name: what a worker gets of a file is its name.
_feeds: dict[str, Feed] = {}


@contextmanager
def feed(name: str, start: int) -> Iterator[Feed]:
    """Yield a feed that `find_feed` finds by `name` until the block ends."""
    made = _feeds[name] = Feed(start)
    try:
        yield made
    finally:
        made.abandon()
        del _feeds[name]


def is_fed(name: str) -> bool:
    """Tell whether the file of that name is a feed."""
    return name in _feeds


def find_feed(name: str, offset: int) -> Feed | None:
    """Return the feed of that name, if the file is one.

    Raises:
        ValueError: If its next byte is not that at `offset`.
    """
    found = _feeds.get(name)
    if found:
        found.check_at(offset)
    return found
