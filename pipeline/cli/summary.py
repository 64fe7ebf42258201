"""What a run came to: its stages, the metrics that they logged and the reports that they wrote."""

from collections.abc import Mapping
from typing import Any

from idxpipe.pipeline.state import RunRecord, TaskRecord


def summary(record: RunRecord) -> list[str]:
    """Return the lines that sum up a run."""
    from idxpipe.pipeline.cli.display import stages

    lines = [stages(record), "", *metric_lines(record)]
    return lines + [f"report            {uri}" for uri in reports(record).values()]


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
