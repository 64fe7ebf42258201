"""Words for a person, on stderr; stdout is kept for data."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_silences: list[None] = []


def say(line: str) -> None:
    """Print one line, unless nothing is to be said."""
    if not _silences:
        tell(line)


def tell(line: str) -> None:
    """Print one line in any case, such as an error; it is no failure if nobody can take it."""
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Let what is still written to a stream go nowhere: Python tries once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def silence() -> Iterator[None]:
    """Say nothing while the block runs; errors are raised, not said."""
    _silences.append(None)
    try:
        yield
    finally:
        _silences.pop()
