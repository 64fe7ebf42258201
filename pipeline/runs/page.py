"""The page of a run, and the page of all runs below a root."""

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.integrity.sealed import seal, unseal
from idxpipe.components.core.report.template import render
from idxpipe.components.train.state.points import read_points
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import shown
from idxpipe.pipeline.progress import WORDS, phrase
from idxpipe.pipeline.runs import evaluation, links, listing
from idxpipe.pipeline.runs.drawing import dag
from idxpipe.pipeline.runs.drawing.curves import line_chart
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE = "index.html"
# What the page of all runs has read, so that the next one reads only what is new.
_KEPT = "rows.json"
_KEPT_VERSION = 2


Upstream = Mapping[str, Iterable[str]]


def write_pages(record: RunRecord, upstream: Upstream) -> None:
    """Write the page of a run that ended, and renew that of all runs; without one if that fails.

    A run did what it did, whether or not there is a page of it.

    Args:
        record: The run.
        upstream: The tasks that a task needs, by name.
    """
    with suppress(IdxpipeError, OSError, KeyError, TypeError):
        page = storage.join(record.folder, PAGE)
        storage.write(page, run_page(record, upstream).encode())
        storage.write(storage.join(record.root, PAGE), index_page(record.root).encode())


def run_page(record: RunRecord, upstream: Upstream) -> str:
    """Return the page of one run; arguments as `write_pages` has them."""
    from idxpipe.components.evaluate.report import most_wrong, names_of

    facts = evaluation.metrics(record)
    matrix = facts.get("confusion_matrix")
    stages = {
        n: _stage(task, record.folder)
        for n, task in record.tasks.items()
        if task.kind == "container"
    }
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
        recipe=record.parameters.get("recipe"),
        parameters=[
            (n, shown(n, v, 200)) for n, v in listing.changed(record).items() if n != "recipe"
        ],
        data=listing.fingerprints(record),
        stages=list(stages.values()),
        graph=_graph(stages, upstream),
        curves=_curves(record),
        matrix=matrix,
        names=names_of(facts),
        most_wrong=most_wrong(matrix) if matrix else 0,
        mistakes=evaluation.mistakes(record, facts),
        links=[(name, links.relative(record.folder, uri)) for name, uri in links.products(record)],
        command=_command(record),
    )


def index_page(root: str) -> str:
    """Return the page of all runs below a root, the newest first."""
    rows = _rows(root)
    scores = [row["accuracy"] for row in reversed(rows) if row["accuracy"] is not None]
    chart = None
    if len(scores) > 1:
        chart = line_chart("Accuracy over time", "Run", [("accuracy", list(enumerate(scores, 1)))])
    return render(os.path.dirname(__file__), "runs.html", rows=rows, chart=chart)


def _rows(root: str) -> list[dict[str, Any]]:
    """Return a row for each run, the newest first; of those that ended long ago, as was kept."""
    uri = storage.join(root, "runs", _KEPT)
    kept: dict[str, dict[str, Any]] = {}
    with suppress(ValueError, KeyError, TypeError):
        found = unseal(storage.read_document(uri), _KEPT_VERSION) if storage.exists(uri) else {}
        kept = dict(found["rows"]) if found and found["schema_version"] == _KEPT_VERSION else {}
    ids = state.run_ids(root)[::-1]
    rows = {run_id: kept.get(run_id) or _row(listing.read_row(root, run_id)) for run_id in ids}
    # One that still runs is looked at again.
    ended = {n: row for n, row in rows.items() if row["status"] != str(Status.RUNNING)}
    storage.write(uri, seal({"schema_version": _KEPT_VERSION, "rows": ended}, indent=1))
    return list(rows.values())


def _row(row: listing.Row) -> dict[str, Any]:
    return {
        "id": row.run_id,
        "page": f"runs/{row.run_id}/{PAGE}",
        "date": row.date,
        "status": str(row.status or row.problem),
        "seconds": row.seconds or 0,
        "time": duration(row.seconds) if row.status else "",
        "accuracy": row.accuracy,
        "parameters": listing.words(row.changed),
    }


def _stage(task: TaskRecord, folder: str) -> dict[str, Any]:
    why = [f"from run {task.cached_from}"] if task.cached_from else []
    error = (task.error or "").partition("\n")[0]
    return {
        "name": task.title or task.name,
        "state": WORDS[task.status],
        "took": bool(task.seconds),
        "time": duration(task.seconds),
        "why": "; ".join(filter(None, [*why, phrase(task.reasons)])),
        "error": error,
        "bad": task.status in {Status.FAILED, Status.CANCELLED},
        "kind": str(task.status),
        # Of a stage that a rerun left out, it is the earlier run's.
        "log": links.relative(folder, task.log) if task.log else "",
    }


def points_of(record: RunRecord) -> list[dict[str, Any]]:
    """Return the history of a run's training, a point each time it was written down.

    There is none where it cannot be read.
    """
    task = record.tasks.get("train")
    artifact = task and task.outputs.artifacts.get("logs")
    with suppress(IdxpipeError):
        return read_points(artifact.uri) if artifact else []
    return []


def _graph(stages: Mapping[str, Mapping[str, Any]], upstream: Upstream) -> "Markup":
    nodes = {
        name: dag.Node(
            stage["name"],
            f"{stage['state']} in {stage['time']}" if stage["took"] else stage["state"],
            stage["kind"],
            stage["error"] or stage["why"],
        )
        for name, stage in stages.items()
    }
    return dag.draw("Graph of the stages", nodes, upstream)


def _curves(record: RunRecord) -> "list[tuple[str, Markup]]":
    """Return the course of the training: the loss, and the accuracy on a validation set."""
    points = points_of(record)
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
            found.append((title, line_chart(title, "Step", lines)))
    return found


def _command(record: RunRecord) -> str:
    """Return the command that makes the run again."""
    words = ["idxpipe", "run", "--root", record.root]
    for name, value in listing.changed(record).items():
        text = json.dumps(value) if isinstance(value, bool | list | dict) else str(value)
        words += ["--set", f"{name}={text}"]
    return shlex.join(words)
