"""The command `rm`: throws away runs, with what only they use."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    what = "a run: its id, the beginning of it, `latest`, or its folder"
    parser.add_argument("run_ids", nargs="+", metavar="RUN", help=what)
    add_root(parser)
    parser.add_argument("--yes", action="store_true", help="delete it; by default it is only told")


def run(args: argparse.Namespace) -> Outcome:
    """Tell what would go with the runs, or delete it."""
    from idxpipe.pipeline.cli.runs.clean import throw_away
    from idxpipe.pipeline.runs.clean import Choice
    from idxpipe.pipeline.runs.reference import find_run

    found = [find_run(given, args.root).run_id for given in args.run_ids]
    return throw_away(args, Choice(runs=found))
