"""The running stages on a terminal: one line below the others, drawn anew every half second."""

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO

from idxpipe.components.core import storage
from idxpipe.pipeline.cli.progress import Lines
from idxpipe.pipeline.state import Status, TaskRecord, duration

_INTERVAL = 0.5
_TAIL_BYTES = 4096
_CLEAR = "\r\x1b[K"
# What KFP's executor prints around what the stage says: its own log and the executor input.
_NOT_NARRATION = ("[KFP", " ", "{", "}", "\t")


class Live:
    """Writes the lines of `Lines`, and below them what each running stage last said.

    Args:
        stream: A terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lines = Lines(self._stream)
        self._running: dict[str, tuple[TaskRecord, float]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._ticker.join()
        self._write(_CLEAR)

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Take note of a task that starts, waits or ends."""
        with self._lock:
            self._running.pop(task.name, None)
            if task.status is Status.RUNNING and not note and task.kind == "container":
                self._running[task.name] = task, time.monotonic()
                return
            self._write(_CLEAR)
            self._lines(task, note)

    def _tick(self) -> None:
        while not self._ended.wait(_INTERVAL):
            with self._lock:
                parts = [
                    f"{name} {duration(time.monotonic() - since)}  {last_words(task.log)}".rstrip()
                    for name, (task, since) in self._running.items()
                ]
                width = shutil.get_terminal_size().columns - 1
                self._write(_CLEAR + "   ".join(parts)[:width])

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


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
