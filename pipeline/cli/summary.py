"""What a run came to: its stages, the metrics that they logged and the reports that they wrote."""

import os
from collections.abc import Mapping
from typing import Any

from idxpipe.components.core import storage
from idxpipe.pipeline.state import RunRecord, TaskRecord


def summary(record: RunRecord) -> list[str]:
    """Return the lines that sum up a run."""
    from idxpipe.pipeline.cli.display import stages

    return [stages(record), "", *metric_lines(record), *report_lines(record)]


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


def report_lines(record: RunRecord) -> list[str]:
    """Return a line for each of `reports`, by the stage that wrote it."""
    words = {"validate": "data page", "evaluate": "report"}
    return [f"{words.get(n, f'{n} report'):<18}{shown(uri)}" for n, uri in reports(record).items()]


def shown(uri: str) -> str:
    """Return a path below the current folder relative to it, anything else as it is."""
    return uri.removeprefix(os.getcwd() + os.sep) if storage.is_local(uri) else uri


def _shown(value: Any) -> str:
    """Return what a stage logged, which may be more than numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else f"{value:g}"


def _own(task: TaskRecord) -> bool:
    return task.kind == "container"
