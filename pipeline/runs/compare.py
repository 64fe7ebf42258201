"""The page that compares runs: what differs, how well each is, and whether that is luck."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from idxpipe.components.core import storage
from idxpipe.components.core.report.template import render
from idxpipe.pipeline.runs import evaluation, links, listing
from idxpipe.pipeline.runs.diff import diff, luck
from idxpipe.pipeline.runs.drawing.curves import line_chart
from idxpipe.pipeline.runs.page import PAGE, points_of
from idxpipe.pipeline.runs.reference import is_recorded
from idxpipe.pipeline.state import RunRecord, duration

if TYPE_CHECKING:
    from markupsafe import Markup

_CURVES = (
    ("Training loss", "loss"),
    ("Validation loss", "validation_loss"),
    ("Validation accuracy", "validation_accuracy"),
)


def compare_page(records: Sequence[RunRecord], page: str) -> str:
    """Return the page.

    Args:
        records: Two runs or more; the others are compared with the first.
        page: Where it will lie: links are relative to its folder.
    """
    rows = [_row(name_of(n), record, records[0], page) for n, record in enumerate(records)]
    differences = diff(*records)
    return render(
        os.path.dirname(__file__),
        "compare.html",
        rows=rows,
        causes=[d for d in differences if d.kind != "metric"],
        effects=[d for d in differences if d.kind == "metric"],
        curves=_curves(records),
    )


def name_of(number: int) -> str:
    """Return the short name of a run of a comparison, from 0: A, B, ..., Z, 27."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _row(name: str, record: RunRecord, first: RunRecord, page: str) -> dict[str, Any]:
    folder = page.rpartition("/")[0]
    return {
        "name": name,
        "id": record.run_id,
        "page": is_recorded(record) and links.relative(folder, storage.join(record.folder, PAGE)),
        "began": listing.local_date(record.started),
        "took": duration(record.seconds),
        "status": str(record.status),
        "accuracy": listing.accuracy(record),
        "interval": evaluation.metrics(record).get("accuracy_interval_95"),
        "luck": None if record is first else luck(first, record),
    }


def _curves(records: Sequence[RunRecord]) -> "list[tuple[str, Markup]]":
    """Return a chart for each figure of the trainings, with a line for each run that has it."""
    histories = [points_of(record) for record in records]
    found = []
    for title, figure in _CURVES:
        lines = [
            (name_of(number), [(p["step"], p[figure]) for p in points if figure in p])
            for number, points in enumerate(histories)
        ]
        lines = [(label, places) for label, places in lines if places]
        if any(len(places) > 1 for _, places in lines):
            found.append((title, line_chart(title, "Step", lines)))
    return found
