"""The command `runs`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root

SORTS = ("date", "status", "time", "accuracy")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the root, and which runs in which order."""
    add_root(parser)
    names = "{" + ",".join(SORTS) + "}"
    what = "what to sort by (default: date)"
    parser.add_argument("--sort", default="date", choices=SORTS, metavar=names, help=what)
    what = "only runs with this value of a parameter, or status=...; may be repeated"
    parser.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help=what)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N")


def run(args: argparse.Namespace) -> Outcome:
    """List the runs below a root."""
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.runs import listing
    from idxpipe.pipeline.state import duration

    found = listing.select(listing.rows(args.root), args.where, args.sort)
    found = found[: args.limit or None]
    cells = [
        (
            row.run_id,
            row.date,
            row.status or row.problem,
            duration(row.seconds) if row.status else "",
            "-" if row.accuracy is None else f"{row.accuracy:.4f}",
            listing.words(row.changed),
        )
        for row in found
    ]
    text = table("run", "date", "status", "time", "accuracy", "parameters", rows=cells)
    # Of a thousand runs, only whoever asks for JSON waits for it.
    records = [record.to_json() for row in found if (record := row.record)] if args.json else None
    return Outcome(records, text)
