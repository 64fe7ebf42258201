"""The command `accept`: yesterday's result of a stage is as good as today's would be."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root, add_text


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the stage, and the run whose result it is."""
    parser.add_argument("stage", metavar="STAGE", help="such as train")
    add_text(parser, "--run", "RUN", "the run with the result (default: latest)", "latest")
    add_root(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Accept the result of a stage."""
    from idxpipe.pipeline.runs.accept import accept
    from idxpipe.pipeline.runs.reference import find_run

    record = find_run(args.run, args.root)
    accepted = accept(record, args.stage)
    lines = [
        f"{name}: the result of run {record.run_id} is taken, although " + "; ".join(differences)
        if differences
        else f"{name}: nothing has changed since run {record.run_id}"
        for name, differences in accepted.items()
    ]
    return Outcome({"run": record.run_id, "accepted": accepted}, "\n".join(lines))
