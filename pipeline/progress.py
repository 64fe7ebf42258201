"""A line for each task of a run that starts, waits or ends: what there is without a terminal."""

import sys
import threading
from contextlib import suppress
from typing import TextIO

from idxpipe.pipeline.state import Status, TaskRecord, duration

WORDS = {
    Status.SUCCEEDED: "done",
    Status.CACHED: "cached",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.RUNNING: "running",
    Status.PENDING: "-",
}


class Lines:
    """Writes one line for each task that starts, waits or ends.

    Args:
        stream: Where to; stderr by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Write the line for `task`; `note` says what it waits for, if it does."""
        line = line_of(task, note)
        # Whoever read along may have gone, as `head` does; the run goes on.
        with self._lock, suppress(BrokenPipeError):
            if line:
                print(line, file=self._stream, flush=True)


def line_of(task: TaskRecord, note: str) -> str:
    """Return the line for a task that starts, waits or ends; empty for one that is no stage."""
    if task.kind != "container":
        return ""
    text = f"{task.title or task.name:<20} {note or WORDS[task.status]}"
    if task.status is Status.CACHED:
        text += f" (from run {task.cached_from})"
    elif task.seconds is not None:
        text += f" in {duration(task.seconds)}"
    return text
