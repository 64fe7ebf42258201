"""The command `diff`: only what differs between two runs."""

import argparse
import dataclasses

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.runs.find import MEANS, add_places, find


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the two runs."""
    for name in ("first", "second"):
        what = f"the {name} run: {MEANS}"
        parser.add_argument(name, metavar=f"RUN{1 + (name == 'second')}", help=what)
    add_places(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Compare two runs."""
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.runs.diff import diff, luck

    first, second = (find(given, args) for given in (args.first, args.second))
    found = diff(first, second)
    chance = luck(first, second) if found else None
    rows = [(d.kind, d.name, *d.values) for d in found]
    text = table("kind", "what", first.run_id, second.run_id, rows=rows)
    if not rows:
        text = "nothing differs"
    data = {
        "runs": [first.run_id, second.run_id],
        "differences": [
            {"kind": d.kind, "name": d.name, "first": d.values[0], "second": d.values[1]}
            for d in found
        ],
        "mcnemar": None if chance is None else dataclasses.asdict(chance),
    }
    return Outcome(data, text if chance is None else f"{text}\n\n{chance}")
