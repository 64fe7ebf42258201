"""Follows a run of a service to its end: a table on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from idxpipe.components.core.errors import TransientError
from idxpipe.pipeline.cli import progress
from idxpipe.pipeline.state import RunRecord, Status

PATIENCE = 10
"""How many times in a row the service may be out of reach; a run can take hours."""

T = TypeVar("T")


@dataclass(frozen=True)
class Look(Generic[T]):
    """What there was to see of a run.

    Attributes:
        found: What the service answered.
        record: The same as a record.
        ended: Whether it will not change any more.
    """

    found: T
    record: RunRecord
    ended: bool


def follow(look: Callable[[], Look[T]], poll: float, stream: TextIO | None = None) -> Look[T]:
    """Return what there is to see of a run when it has ended.

    Args:
        look: Looks at it.
        poll: Seconds between two looks.
        stream: Where to show how far it is; by default stderr.

    Raises:
        IdxpipeError: If the run cannot be read.
    """
    stream = stream or sys.stderr
    show = _Table(stream) if stream.isatty() else _Changes(stream)
    failures = 0
    while True:
        try:
            seen = look()
            failures = 0
        except TransientError:
            failures += 1
            if failures > PATIENCE:
                raise
            time.sleep(poll)
            continue
        show(seen.record)
        if seen.ended:
            return seen
        time.sleep(poll)


class _Changes:
    """Writes a line for each stage that starts or ends."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = progress.Lines(stream)
        self._before: dict[str, Status] = {}

    def __call__(self, record: RunRecord) -> None:
        for task in record.tasks.values():
            if task.status is not self._before.get(task.name, Status.PENDING):
                self._before[task.name] = task.status
                self._lines(task, "")


class _Table:
    """Draws the table of stages over the one it drew before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._height = 0

    def __call__(self, record: RunRecord) -> None:
        lines = progress.format_table(record).splitlines()
        up = f"\x1b[{self._height}A" if self._height else ""
        # Each line is erased to its end before it is written again.
        self._stream.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._stream.flush()
        self._height = len(lines)
