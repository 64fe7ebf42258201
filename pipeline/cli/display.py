"""The stages of a run as they go, drawn on a terminal; plain text in a pipe.

rich draws; it leaves colour out where the output is not a terminal or `NO_COLOR` is set.
"""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import RenderableType
from rich.text import Text

from idxpipe.pipeline.cli import bars
from idxpipe.pipeline.cli.tables import drawn, table
from idxpipe.pipeline.progress import WORDS, Lines, Running, line_of
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration


def stages(record: RunRecord) -> str:
    """Return the stages of a run with status and time, a row each."""
    return table(*_HEAD, rows=_rows(record))


class _Painter:
    """Draws something below the lines of a terminal, again and again."""

    def __init__(self, draw: Callable[[], RenderableType], stream: TextIO, *, keep: bool) -> None:
        self._live = bars.live(draw, stream, keep=keep)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()


class Live(_Painter):
    """Writes the lines of `Lines`, and below them how far each running stage is.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._running = Running()
        super().__init__(self._draw, stream or sys.stderr, keep=False)

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Take note of a task that starts, waits or ends."""
        if self._running.put(task, note) and not task.reasons:
            return
        line = line_of(task, note)
        if line:
            self._live.console.print(line, soft_wrap=True)

    def _draw(self) -> RenderableType:
        return bars.rows(self._running.rows(), time.monotonic())


class Stages(_Painter):
    """Draws the table of a run's stages over the one it drew before.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._rows: list[tuple[str, str, str]] = []
        super().__init__(self._draw, stream, keep=True)

    def __call__(self, record: RunRecord) -> None:
        """Draw the stages of `record`."""
        self._rows = _rows(record)
        self._live.refresh()

    def _draw(self) -> RenderableType:
        rows = [[str(cell) for cell in row] for row in self._rows]
        return drawn(_HEAD, rows) if rows else Text("")


class Changes:
    """Writes a line for each stage of a run that starts or ends."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = Lines(stream)
        self._before: dict[str, Status] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was taken."""

    def __call__(self, record: RunRecord) -> None:
        """Write what has changed since the last call."""
        for task in record.tasks.values():
            if task.status is not self._before.get(task.name, Status.PENDING):
                self._before[task.name] = task.status
                self._lines(task, "")


_HEAD = ("stage", "status", "time")


def _rows(record: RunRecord) -> list[tuple[str, str, str]]:
    rows = [
        (task.title or task.name, WORDS[task.status], duration(task.seconds))
        for task in record.tasks.values()
        if task.kind == "container"
    ]
    return [*rows, ("total", "", duration(record.seconds))]
