"""Which tasks of a run run, and how far: lines about them, which is what a pipe gets."""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from idxpipe.components.core import storage
from idxpipe.components.core.events import Event, read_event
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


def line_of(task: TaskRecord, note: str) -> str:
    """Return the line for a task that starts, waits or ends; empty for one that is no stage."""
    if task.kind != "container":
        return ""
    text = f"{task.title or task.name:<20} {note or WORDS[task.status]}"
    if task.status is Status.RUNNING and not note and task.reasons:
        return f"{task.title or task.name:<20} runs: {phrase(task.reasons)}"
    if task.status is Status.CACHED:
        text += f" (from run {task.cached_from})"
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
