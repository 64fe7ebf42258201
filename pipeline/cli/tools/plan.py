"""The command `plan`."""

import argparse
from typing import TYPE_CHECKING

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_minutes, add_pipeline, read_minutes

if TYPE_CHECKING:
    from idxpipe.pipeline.preflight.prices import Estimate


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the pipeline and the durations."""
    add_pipeline(parser)
    add_minutes(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Estimate the cost of a compiled pipeline."""
    from idxpipe.pipeline.compile import compiled_file
    from idxpipe.pipeline.preflight import prices
    from idxpipe.pipeline.spec.parse import load

    pipeline = load(args.pipeline or compiled_file())
    estimate = prices.plan(pipeline, read_minutes(args.minutes))
    return Outcome(estimate.to_json(), text(estimate))


def text(estimate: "Estimate") -> str:
    """Return an estimate as a table, and what has to be said of it."""
    from idxpipe.pipeline.cli.tables import table

    rows = [
        (
            line.stage,
            line.machine,
            f"{line.minutes:g}",
            "unknown" if line.hourly is None else f"{line.hourly:.3f}",
            "unknown" if line.cost is None else f"{line.cost:.3f}",
        )
        for line in estimate.lines
    ]
    rows.append(("pipeline run", "", "", "", f"{estimate.fee:.3f}"))
    total = "known part" if estimate.total is None else "total"
    rows.append((total, "", "", "", f"{estimate.known:.2f}"))
    drawn = table("stage", "machine", "minutes", "$/hour", "$", rows=rows)
    return "\n".join([drawn, *estimate.notes])
