"""What is drawn on a terminal: tables, and the stages of a run as they go; plain text in a pipe.

rich draws; it leaves colour out where the output is not a terminal or `NO_COLOR` is set.
"""

import io
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from rich.cells import cell_len
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from idxpipe.components.core.printable import printable
from idxpipe.pipeline.cli import bars
from idxpipe.pipeline.progress import WORDS, Lines, Running, line_of
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration

_STYLES = {
    "done": "green",
    "cached": "cyan",
    "failed": "bold red",
    "cancelled": "yellow",
    "running": "bold",
}
# Wider than any row: a row is never wrapped, a terminal does that itself.
_WIDTH = 100_000
_NUMBER = re.compile(r"-?[\d,]*\.?\d*|unknown")


def table(*head: str, rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as text: numbers to the right, words for states in colour on a terminal.

    Args:
        head: Names of the columns.
        rows: Cells of each row.
    """
    # Names of files and objects, and what a service says, are among them.
    found = [[printable(str(cell), _WIDTH) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        return _plain(head, found)
    stream = io.StringIO()
    console = Console(
        file=stream, width=_WIDTH, force_terminal=sys.stdout.isatty(), markup=False, emoji=False
    )
    console.print(_table(head, found), highlight=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _plain(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return what rich draws without a terminal, a hundred times as fast: a list may be long."""
    columns = []
    for name, cells in _columns(head, rows):
        width = max(map(cell_len, [name, *cells]))
        right = _is_numeric(name, cells)
        gaps = [" " * (width - cell_len(cell)) for cell in (name, *cells)]
        texts = zip((name, *cells), gaps, strict=True)
        columns.append([gap + cell if right else cell + gap for cell, gap in texts])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


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
        return _table(_HEAD, rows) if rows else Text("")


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


def _columns(
    head: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from zip(head, zip(*rows, strict=True) if rows else [()] * len(head), strict=True)


def _is_numeric(name: str, cells: Sequence[str]) -> bool:
    numeric = all(map(_NUMBER.fullmatch, cells)) and any(map(str.isdigit, "".join(cells)))
    return name == "time" or numeric


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, cells in _columns(head, rows):
        side: JustifyMethod = "right" if _is_numeric(name, cells) else "left"
        made.add_column(Text(name), justify=side, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return made
