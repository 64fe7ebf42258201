"""Progress as events: a stage tells how far it is, and whoever listens decides how that is shown.

Without a listener of its own, a process writes lines to stderr, or JSON lines where Cloud Logging
reads them, and into the file that the runner names, if one started it.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from idxpipe.components.core.narration import stderr

# Names the file that a runner reads along.
FILE_VARIABLE = "IDXPIPE_EVENTS"
# Set in every container of a Vertex AI custom job, and so in every task of its pipelines. Source:
# https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
_VERTEX_VARIABLE = "CLOUD_ML_JOB_ID"
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_WRITES = 0.2


@dataclass(frozen=True)
class Event:
    """How far a stage is.

    Attributes:
        stage: What reports, such as `convert train`.
        doing: A word for what has no count, such as `loading TensorFlow`; empty while it counts.
        done: Units that are done.
        total: Units in all; 0 if that is not known.
        unit: `MB`, `steps` or `batches`.
        rate: Units a second, while it counts.
        figures: What else there is to see, by name, such as the loss.
    """

    stage: str
    doing: str = ""
    done: float = 0
    total: float = 0
    unit: str = ""
    rate: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at this rate; None if that is not known."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None

    @property
    def over(self) -> bool:
        """Whether all that it counts is done."""
        return bool(self.total) and self.done >= self.total

    def __str__(self) -> str:
        if self.doing:
            return self.doing
        parts = [f"{self.done:,.0f}/{self.total:,.0f} {self.unit}"]
        parts += [f"{name} {shown(value)}" for name, value in self.figures.items()]
        if self.rate:
            parts.append(f"{shown(self.rate)} {self.unit}/s")
        if self.seconds_left and not self.over:
            parts.append(f"{self.seconds_left:.0f} s left")
        return "  ".join(parts)


Listener = Callable[[Event], None]


def shown(value: Any) -> str:
    """Return a figure as a person reads it: four digits, or all of them before the point."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 or isinstance(value, int) else f"{value:.4g}"


def emit(event: Event) -> None:
    """Tell how far a stage is; cheap enough for every batch."""
    if not _listeners:
        _listeners.append(_default())
    _listeners[-1](event)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called, from any thread, with this process's events while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Meter:
    """Counts what the threads of a stage have done, and emits it.

    Args:
        stage: What reports.
        total: Units in all.
        unit: Of what is counted.
    """

    def __init__(self, stage: str, total: float, unit: str) -> None:
        self._event = Event(stage, total=total, unit=unit)
        self._lock = threading.Lock()
        self._start = time.monotonic()

    def advance(self, units: float = 0, **figures: Any) -> None:
        """Count `units` more, and take note of other figures."""
        with self._lock:
            done = self._event.done + units
            self._event = replace(
                self._event,
                done=done,
                rate=done / max(time.monotonic() - self._start, 1e-3),
                figures={**self._event.figures, **figures},
            )
            emit(self._event)


@dataclass
class _Last:
    at: float
    doing: str = ""
    written: bool = False
    over: bool = False


class Lines:
    """A line for each word, and every ten seconds for what counts, and for its end if it took long.

    Args:
        write: Takes a line's event.
        every: Seconds.
    """

    def __init__(self, write: Listener, every: float = _SECONDS_BETWEEN_LINES) -> None:
        self._write = write
        self._every = every
        self._last: dict[str, _Last] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            now = time.monotonic()
            last = self._last.setdefault(event.stage, _Last(now))
            over = event.over and last.written and not last.over
            if (event.doing and event.doing != last.doing) or over or now - last.at >= self._every:
                # Whoever read along may have gone, as `head` does; the stage goes on.
                with suppress(OSError, ValueError):
                    self._write(event)
                last.at, last.written = now, not event.doing
            last.doing, last.over = event.doing, event.over


def text_line(event: Event) -> None:
    """Write an event to stderr, for a person."""
    print(f"{time.strftime('%H:%M:%S')} {event.stage}: {event}", file=stderr(), flush=True)


def json_line(event: Event) -> None:
    """Write an event to stderr as Cloud Logging takes it apart.

    Source: https://cloud.google.com/logging/docs/structured-logging
    """
    body = {"severity": "INFO", "message": f"{event.stage}: {event}", **asdict(event)}
    print(json.dumps(body), file=stderr(), flush=True)


class ToFile:
    """Keeps the newest event in a file that somebody else reads along.

    Args:
        path: Local file; what is there is replaced.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = 0.0
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write an event, unless one was written just now."""
        with self._lock:
            now = time.monotonic()
            if not (event.doing or event.over) and now - self._written < _SECONDS_BETWEEN_WRITES:
                return
            self._written = now
            # What nobody can read must not end the stage.
            with suppress(OSError):
                staged = f"{self._path}.new"
                with open(staged, "w") as stream:
                    json.dump(asdict(event), stream)
                os.replace(staged, self._path)


def read_event(path: str) -> Event | None:
    """Return the newest event of a file that `ToFile` writes; None if there is none."""
    try:
        with open(path) as stream:
            return Event(**json.load(stream))
    except (OSError, ValueError, TypeError):
        return None


def _default() -> Listener:
    lines = Lines(json_line if os.environ.get(_VERTEX_VARIABLE) else text_line)
    path = os.environ.get(FILE_VARIABLE)
    if not path:
        return lines
    to_file = ToFile(path)

    def both(event: Event) -> None:
        to_file(event)
        lines(event)

    return both


# The last one listens.
_listeners: list[Listener] = []
