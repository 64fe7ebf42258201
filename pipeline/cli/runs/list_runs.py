"""The command `runs`."""

import argparse

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root

NAME = "runs"
HELP = "list the runs below a root"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the root."""
    add_root(parser)


def run(args: argparse.Namespace) -> Outcome:
    """List the runs below a root."""
    from idxpipe.pipeline import state
    from idxpipe.pipeline.cli.display import table

    records, rows = [], []
    for run_id in state.run_ids(args.root):
        try:
            record = state.load(args.root, run_id)
        except DataError as error:
            rows.append((run_id, error.problem, "", ""))
            continue
        records.append(record)
        stages = [task for task in record.tasks.values() if task.kind == "container"]
        done = sum(task.status.finished for task in stages)
        time = state.duration(record.seconds)
        rows.append((run_id, record.status, time, f"{done} of {len(stages)} done"))
    text = table("run", "status", "time", "stages", rows=rows)
    return Outcome([record.to_json() for record in records], text)
