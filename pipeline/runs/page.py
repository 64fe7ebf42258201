"""The page of a run, and the page of all runs below a root."""

import json
import os
import posixpath
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.report.svg import Chart
from idxpipe.components.core.report.template import render
from idxpipe.components.train.state.points import read_points
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import shown
from idxpipe.pipeline.progress import WORDS
from idxpipe.pipeline.runs import links, listing
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE = "index.html"
# What the page of all runs has read, so that the next one reads only what is new.
_KEPT = "rows.json"
_KEPT_VERSION = 1
_CHART = Chart(height=165, bottom=140)
_TICKS = 4
# Of a curve; more points than a screen has are not seen.
_POINTS = 400


def write_pages(record: RunRecord) -> None:
    """Write the page of a run that ended, and renew that of all runs; without one if that fails.

    A run did what it did, whether or not there is a page of it.
    """
    with suppress(IdxpipeError, OSError, KeyError, TypeError):
        page = storage.join(record.folder, PAGE)
        storage.write(page, run_page(record).encode())
        storage.write(storage.join(record.root, PAGE), index_page(record.root).encode())


def run_page(record: RunRecord) -> str:
    """Return the page of one run."""
    facts = _metrics(record)
    accuracy = listing.accuracy(record)
    return render(
        os.path.dirname(__file__),
        "run.html",
        run=record,
        began=listing.local_date(record.started),
        took=duration(record.seconds),
        accuracy=accuracy,
        interval=facts.get("accuracy_interval_95"),
        failed=record.status is not Status.SUCCEEDED,
        parameters=[(n, shown(n, v, 200)) for n, v in listing.changed(record).items()],
        stages=[_stage(task) for task in record.tasks.values() if task.kind == "container"],
        curves=_curves(record),
        links=[(name, _relative(record.folder, uri)) for name, uri in links.products(record)],
        command=_command(record),
    )


def index_page(root: str) -> str:
    """Return the page of all runs below a root, the newest first."""
    rows = _rows(root)
    scores = [row["accuracy"] for row in reversed(rows) if row["accuracy"] is not None]
    chart = None
    if len(scores) > 1:
        chart = _line_chart("Accuracy over time", "Run", [("accuracy", list(enumerate(scores, 1)))])
    return render(os.path.dirname(__file__), "runs.html", rows=rows, chart=chart)


def _rows(root: str) -> list[dict[str, Any]]:
    """Return a row for each run, the newest first; of those that ended long ago, as was kept."""
    uri = storage.join(root, "runs", _KEPT)
    kept: dict[str, dict[str, Any]] = {}
    with suppress(ValueError, KeyError, TypeError):
        found = json.loads(storage.read(uri)) if storage.exists(uri) else {}
        kept = dict(found["rows"]) if found and found["version"] == _KEPT_VERSION else {}
    ids = state.run_ids(root)[::-1]
    rows = {run_id: kept.get(run_id) or _row(listing.read_row(root, run_id)) for run_id in ids}
    # One that still runs is looked at again.
    ended = {n: row for n, row in rows.items() if row["status"] != str(Status.RUNNING)}
    storage.write(uri, json.dumps({"version": _KEPT_VERSION, "rows": ended}).encode())
    return list(rows.values())


def _row(row: listing.Row) -> dict[str, Any]:
    return {
        "id": row.run_id,
        "page": f"runs/{row.run_id}/{PAGE}",
        "date": row.date,
        "status": str(row.record.status) if row.record else row.problem,
        "seconds": (row.record.seconds if row.record else None) or 0,
        "time": duration(row.record.seconds) if row.record else "",
        "accuracy": row.accuracy,
        "parameters": listing.words(row.changed),
    }


def _stage(task: TaskRecord) -> dict[str, Any]:
    why = [f"from run {task.cached_from}"] if task.cached_from else []
    error = (task.error or "").partition("\n")[0]
    return {
        "name": task.title or task.name,
        "state": WORDS[task.status],
        "time": duration(task.seconds),
        "why": "; ".join([*why, *task.reasons]),
        "error": error,
        "bad": task.status in {Status.FAILED, Status.CANCELLED},
        "log": f"logs/{task.name}.log" if task.log else "",
    }


def _metrics(record: RunRecord) -> dict[str, Any]:
    """Return what the evaluate stage wrote; nothing if it wrote nothing."""
    task = record.tasks.get("evaluate")
    artifact = task and task.outputs.artifacts.get("metrics")
    if artifact and storage.exists(artifact.uri):
        with suppress(ValueError):
            found = json.loads(storage.read(artifact.uri))
            return found if isinstance(found, dict) else {}
    return {}


def _curves(record: RunRecord) -> "list[tuple[str, Markup]]":
    """Return the course of the training: the loss, and the accuracy on a validation set."""
    task = record.tasks.get("train")
    artifact = task and task.outputs.artifacts.get("logs")
    if not artifact:
        return []
    points = read_points(artifact.uri)
    found = []
    for title, names in (
        ("Loss", (("training", "loss"), ("validation", "validation_loss"))),
        ("Accuracy on the validation set", (("validation", "validation_accuracy"),)),
    ):
        lines = [
            (label, [(p["step"], p[name]) for p in points if name in p]) for label, name in names
        ]
        lines = [(label, places) for label, places in lines if len(places) > 1]
        if lines:
            found.append((title, _line_chart(title, "Step", lines)))
    return found


def _line_chart(
    name: str, axis: str, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]
) -> "Markup":
    """Return a chart with a line for each series of points.

    Args:
        name: For those who cannot see it.
        axis: What the horizontal axis counts.
        lines: Label, and points from left to right, of each.
    """
    values = [value for _, series in lines for _, value in series]
    first = min(series[0][0] for _, series in lines)
    last = max(series[-1][0] for _, series in lines)
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span
    marks = [
        _CHART.below(_CHART.x(0), f"{first:,}"),
        _CHART.below(_CHART.x(1) - 8, f"{last:,}"),
        _CHART.below(_CHART.x(0.5), axis),
    ]
    for number, (label, series) in enumerate(lines):
        places = [
            f"{_CHART.x((at - first) / ((last - first) or 1)):.1f},"
            f"{_CHART.y((value - low) / (high - low)):.1f}"
            for at, value in series[:: max(1, len(series) // _POINTS)]
        ]
        marks.append(
            f'<polyline class="curve{number}" points="{" ".join(places)}" fill="none"/>'
            + f'<text class="curve{number} end" x="{_CHART.right:g}" y="{20 + 14 * number}">'
            f"{label}</text>"
        )
    ticks = [(i / _TICKS, f"{low + i / _TICKS * (high - low):.3g}") for i in range(_TICKS + 1)]
    return _CHART.draw(name, ticks, marks)


def _relative(folder: str, uri: str) -> str:
    """Return how a page in `folder` links to `uri`."""
    if storage.is_local(folder) and storage.is_local(uri):
        return posixpath.relpath(storage.local_path(uri), storage.local_path(folder))
    return uri


def _command(record: RunRecord) -> str:
    """Return the command that makes the run again."""
    words = ["idxpipe", "run", "--root", record.root]
    for name, value in listing.changed(record).items():
        text = json.dumps(value) if isinstance(value, bool | list | dict) else str(value)
        words += ["--set", f"{name}={text}"]
    return shlex.join(words)
