"""How far a conversion in this process is, on a terminal."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 0.2


class Progress:
    """Counts what the worker threads have done.

    Args:
        name: What is converted.
        shards: Shards to make.
        bytes_in: Bytes of images to read.
    """

    def __init__(self, name: str, shards: int, bytes_in: int) -> None:
        self._name = name
        self._shards = shards
        self._bytes = bytes_in
        self._lock = threading.Lock()
        self._shards_done = self._bytes_done = 0
        self._start = time.monotonic()

    def advance(self, _examples: int, bytes_read: int) -> None:
        """Count bytes of images that were read and converted."""
        with self._lock:
            self._bytes_done += bytes_read

    def shard_done(self) -> None:
        """Count a finished shard."""
        with self._lock:
            self._shards_done += 1

    def line(self) -> str:
        """Return shards, share, rate and the time that is left at this rate."""
        seconds = max(time.monotonic() - self._start, 1e-3)
        rate = self._bytes_done / seconds
        left = (self._bytes - self._bytes_done) / rate if rate else 0.0
        share = min(1.0, self._bytes_done / self._bytes)
        return (
            f"{self._name}: {self._shards_done} of {self._shards} shards, {share:.0%}, "
            f"{rate / 1e6:.0f} MB/s, {left:.0f} s left"
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the line again and again while the block runs, if someone can see it."""
        if not sys.stderr.isatty():
            yield
            return
        over = threading.Event()

        def draw() -> None:
            while not over.wait(_SECONDS):
                sys.stderr.write(f"\r\x1b[K{self.line()}")
                sys.stderr.flush()

        thread = threading.Thread(target=draw, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
