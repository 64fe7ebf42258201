"""The command `pin`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_run


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run."""
    add_run(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Keep a run."""
    from idxpipe.pipeline.runs.clean import pin
    from idxpipe.pipeline.runs.reference import find_run

    record = find_run(args.run_id, args.root)
    pin(record, pinned=True)
    return Outcome({"run": record.run_id}, f"{record.run_id} is pinned")
