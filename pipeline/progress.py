"""Which tasks of a run run, and how far: lines about them, which is what a pipe gets."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.events import Event, read_event
from idxpipe.components.core.printable import printable
from idxpipe.pipeline.state import Status, TaskRecord, duration

WORDS = {
    Status.SUCCEEDED: "done",
    Status.CACHED: "cached",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.RUNNING: "running",
    Status.PENDING: "-",
}
_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5
_LONGEST_LINE = 4000
_TAIL_BYTES = 4096
_SHOWN_REASONS = 3
# What KFP's executor prints around what the stage says: its own log and the executor input.
_NOT_NARRATION = ("[KFP", " ", "{", "}", "\t")


class Running:
    """The tasks of a run that run now."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[TaskRecord, float]] = {}
        self._lock = threading.Lock()

    def put(self, task: TaskRecord, note: str) -> bool:
        """Take note of a task that starts, waits or ends; return whether it runs now."""
        with self._lock:
            self._tasks.pop(task.name, None)
            runs = task.status is Status.RUNNING and not note and task.kind == "container"
            if runs:
                self._tasks[task.name] = task, time.monotonic()
            return runs

    def rows(self) -> list[tuple[str, Event | None, float]]:
        """Return title, newest event and start, by `time.monotonic`, of each; the oldest first."""
        with self._lock:
            running = list(self._tasks.values())
        return [(task.title or task.name, _event_of(task), since) for task, since in running]


class Lines:
    """Writes a line for each task that starts, waits or ends; as a context, how far each is, too.

    Args:
        stream: Where to; stderr by default.
        every: Seconds between the lines that say how far.
    """

    def __init__(self, stream: TextIO | None = None, every: float = _SECONDS_BETWEEN_LINES) -> None:
        self._stream = stream or sys.stderr
        self._every = every
        self._lock = threading.Lock()
        self._running = Running()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Write the line for `task`; `note` says what it waits for, if it does."""
        self._running.put(task, note)
        line = line_of(task, note)
        if line:
            self._write(line)

    def _tell(self) -> None:
        while not self._over.wait(self._every):
            for title, event, since in self._running.rows():
                far = str(event or "") or f"running for {duration(time.monotonic() - since)}"
                self._write(f"{title:<20} {far}")

    def _write(self, line: str) -> None:
        # Whoever read along may have gone, as `head` does; the run goes on.
        with self._lock, suppress(OSError, ValueError):
            print(f"{time.strftime('%H:%M:%S')} {line}", file=self._stream, flush=True)


class Verbose(Lines):
    """Writes, between the lines of `Lines`, what the stages print, each after the stage's name.

    Args:
        stream: Where to; stderr by default.
        every: Seconds between two looks at what was printed.
    """

    def __init__(self, stream: TextIO | None = None, every: float = _SECONDS_BETWEEN_LOOKS) -> None:
        super().__init__(stream, every)
        self._printed: dict[str, Printed] = {}
        self._reading = threading.Lock()

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Write the line for `task`, after what it printed to its end."""
        if task.log and not note:
            with self._reading:
                printed = self._printed.setdefault(task.name, Printed(task))
                self._pass_on(printed, over=task.status is not Status.RUNNING)
        super().__call__(task, note)

    def _tell(self) -> None:
        while not self._over.wait(self._every):
            with self._reading:
                for printed in self._printed.values():
                    self._pass_on(printed, over=False)

    def _pass_on(self, printed: "Printed", *, over: bool) -> None:
        for line in printed.lines(over=over):
            self._write(f"{printed.title:<20} | {line}")


class Printed:
    """What a stage printed, read along while it runs.

    Args:
        task: Its record when it starts.
    """

    def __init__(self, task: TaskRecord) -> None:
        self.title = task.title or task.name
        self._log = task.log or ""
        # Of a root in a bucket the log lies there only in the end, and until then here.
        self._path = os.path.join(os.path.dirname(task.events or ""), "log")
        self._at = 0
        self._rest = b""

    def lines(self, *, over: bool) -> list[str]:
        """Return the lines since the last call; if it is over, with one that has no end."""
        found = b""
        with suppress(OSError, IdxpipeError):
            found = self._read()
        self._at += len(found)
        *whole, self._rest = (self._rest + found).split(b"\n")
        if over and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        return [printable(line.decode(errors="replace"), _LONGEST_LINE) for line in whole]

    def _read(self) -> bytes:
        if not storage.is_local(self._log) and not os.path.exists(self._path):
            size = storage.size(self._log) if storage.exists(self._log) else 0
            return storage.read(self._log, self._at) if size > self._at else b""
        path = storage.local_path(self._log) if storage.is_local(self._log) else self._path
        with open(path, "rb") as stream:
            stream.seek(self._at)
            return stream.read()


def line_of(task: TaskRecord, note: str) -> str:
    """Return the line for a task that starts, waits or ends; empty for one that is no stage."""
    if task.kind != "container":
        return ""
    text = f"{task.title or task.name:<20} {note or WORDS[task.status]}"
    if task.status is Status.RUNNING and not note and task.reasons:
        return f"{task.title or task.name:<20} runs: {phrase(task.reasons)}"
    if task.status is Status.CACHED:
        text += f" (from run {task.cached_from})" if task.cached_from else ""
    elif task.seconds is not None:
        text += f" in {duration(task.seconds)}"
    return text


def phrase(reasons: Sequence[str]) -> str:
    """Return reasons as one line: the first ones, and how many more there are."""
    more = len(reasons) - _SHOWN_REASONS
    tail = [f"and {more} more"] if more > 0 else []
    return "; ".join([*reasons[:_SHOWN_REASONS], *tail])


def last_words(log: str | None) -> str:
    """Return the last line that a stage said in its log; empty if it said nothing, or elsewhere."""
    if not log or not storage.is_local(log):
        return ""
    try:
        with open(storage.local_path(log), "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line for line in lines[-20:] if line and not line.startswith(_NOT_NARRATION)]
    return said[-1].strip() if said else ""


def _event_of(task: TaskRecord) -> Event | None:
    """Return how far a running task is: its newest event, or of other people's its last words."""
    event = read_event(task.events) if task.events else None
    if event:
        return event
    words = last_words(task.log)
    return Event(task.name, doing=words) if words else None
