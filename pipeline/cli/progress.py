"""What a person sees of a run: a line when a task starts or ends, and a table at the end."""

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration

_WORDS = {
    Status.SUCCEEDED: "done",
    Status.CACHED: "cached",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
    Status.RUNNING: "running",
    Status.PENDING: "-",
}


class Lines:
    """Writes one line for each task that starts, waits or ends."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()

    def __call__(self, task: TaskRecord, note: str) -> None:
        """Write the line for `task`; `note` says what it waits for, if it does."""
        if task.kind != "container":
            return
        text = f"{task.title or task.name:<20} {note or _WORDS[task.status]}"
        if task.status is Status.CACHED:
            text += f" (from run {task.cached_from})"
        elif task.seconds is not None:
            text += f" in {duration(task.seconds)}"
        # Whoever read along may have gone, as `head` does; the run goes on.
        with self._lock, suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)


def format_table(record: RunRecord) -> str:
    """Return the stages of a run with status and time, one line each."""
    rows = [("stage", "status", "time")]
    rows += [
        (task.title or task.name, _WORDS[task.status], duration(task.seconds))
        for task in record.tasks.values()
        if task.kind == "container"
    ]
    rows.append(("total", "", duration(record.seconds)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {status:<{widths[1]}}  {time:>{widths[2]}}"
        for name, status, time in rows
    )


def metrics(record: RunRecord) -> dict[str, Mapping[str, Any]]:
    """Return what each task logged to its `system.Metrics` artifacts, by task."""
    found: dict[str, Mapping[str, Any]] = {}
    for task in record.tasks.values():
        for artifact in task.outputs.artifacts.values():
            if artifact.title == "system.Metrics" and artifact.metadata and _own(task):
                found[task.name] = {**found.get(task.name, {}), **artifact.metadata}
    return found


def metric_lines(record: RunRecord) -> list[str]:
    """Return a line for each of `metrics`."""
    return [
        f"test {name:<12} {_shown(value)}"
        for values in metrics(record).values()
        for name, value in values.items()
    ]


def reports(record: RunRecord) -> dict[str, str]:
    """Return the URI of each task's HTML report, by task."""
    return {
        task.name: artifact.uri
        for task in record.tasks.values()
        for artifact in task.outputs.artifacts.values()
        if artifact.title == "system.HTML" and _own(task)
    }


def _shown(value: Any) -> str:
    """Return what a stage logged, which may be more than numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else f"{value:g}"


def _own(task: TaskRecord) -> bool:
    return task.kind == "container"
