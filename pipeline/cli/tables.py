"""Tables: plain text in a pipe, and what rich draws on a terminal, which alone loads rich."""

import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich.cells import cell_len

from idxpipe.components.core.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

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
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=_WIDTH, force_terminal=True, markup=False, emoji=False)
    console.print(drawn(head, found), highlight=False)
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


def _columns(
    head: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from zip(head, zip(*rows, strict=True) if rows else [()] * len(head), strict=True)


def _is_numeric(name: str, cells: Sequence[str]) -> bool:
    numeric = all(map(_NUMBER.fullmatch, cells)) and any(map(str.isdigit, "".join(cells)))
    return name == "time" or numeric


def drawn(head: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    """Return a table as rich draws it."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, cells in _columns(head, rows):
        side: Literal["left", "right"] = "right" if _is_numeric(name, cells) else "left"
        made.add_column(Text(name), justify=side, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return made
