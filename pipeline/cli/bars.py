"""Bars for stages that count, on a terminal: what a stage's events look like while they come."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from idxpipe.components.core import events
from idxpipe.components.core.events import Event

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.live import Live
    from rich.measure import Measurement
    from rich.text import Text

_INTERVAL = 0.25
_BAR = 20


class Bars:
    """Draws the newest event of each stage of this process, from the first event on.

    Args:
        stream: A terminal; by default stderr's, even while TensorFlow's noise is turned aside.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._events: dict[str, tuple[Event, float]] = {}
        self._listening = events.listening(self)

    def __enter__(self) -> Self:
        self._listening.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listening.__exit__(kind, error, traceback)
        with self._lock:
            if self._live:
                self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            _, since = self._events.get(event.stage, (event, time.monotonic()))
            self._events[event.stage] = event, since
            if event.over:
                del self._events[event.stage]
            elif not self._live:
                self._live = live(self._draw, self._stream)
                self._live.start()

    def _draw(self) -> "RenderableType":
        # No lock: it is drawn while an event is taken note of, too.
        now = time.monotonic()
        return rows([(name, *found) for name, found in list(self._events.items())], now)


def live(draw: "Callable[[], RenderableType]", stream: TextIO, *, keep: bool = False) -> "Live":
    """Return what draws below the lines of a terminal, again and again.

    Args:
        draw: Returns what to draw.
        stream: The terminal.
        keep: Leave the last drawing when it stops.
    """
    from rich.console import Console
    from rich.live import Live

    return Live(
        console=Console(
            file=stream, force_terminal=True, markup=False, emoji=False, highlight=False
        ),
        get_renderable=draw,
        refresh_per_second=1 / _INTERVAL,
        transient=not keep,
        redirect_stdout=False,
        redirect_stderr=True,
    )


def rows(running: list[tuple[str, Event | None, float]], now: float) -> "RenderableType":
    """Return a row per stage that runs: its name, its bar, what it counts, and how long it takes.

    Args:
        running: Name, newest event if there is one, and when it began.
        now: The time, of the same clock.
    """
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=_BAR)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column()
    for name, event, since in running:
        bar: RenderableType = ""
        if event and event.total and not event.doing:
            bar = ProgressBar(event.total, event.done, complete_style="cyan")
        left = event.seconds_left if event else None
        clock = _clock(now - since) if left is None else f"{_clock(left)} left"
        grid.add_row(Text(name, style="bold"), bar, Text(clock), _Fitting(_words(event)))
    return grid


class _Fitting:
    """The longest of several texts that fits in."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def __rich_console__(self, _: "Console", options: "ConsoleOptions") -> "Iterator[Text]":
        from rich.text import Text

        fits = [text for text in self._texts if len(text) <= options.max_width]
        text = fits[0] if fits else self._texts[-1]
        yield Text(text, no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, _: "Console", options: "ConsoleOptions") -> "Measurement":
        from rich.measure import Measurement

        return Measurement(min(map(len, self._texts)), max(map(len, self._texts)))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _words(event: Event | None) -> list[str]:
    """Return what an event says, from the longest form to the shortest."""
    if event is None or event.doing or not event.total:
        return [event.doing if event else ""]
    share = f"{event.done / event.total:.0%}"
    count = f"{event.done:,.0f}/{event.total:,.0f} {event.unit}"
    figures = [f"{name} {events.shown(value)}" for name, value in event.figures.items()]
    rate = [f"{events.shown(event.rate)} {event.unit}/s"] if event.rate else []
    forms = ([share, count, *figures, *rate], [count, *figures, *rate], [count, *figures])
    return ["  ".join(form) for form in (*forms, [share, *figures[:1]], [share])]
