"""The command `logs`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.services.flags import add_one_job
from idxpipe.pipeline.cli.services.service import service_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run and the stage."""
    add_one_job(parser)
    parser.add_argument("stage", nargs="?", default="", metavar="STAGE", help="of this stage only")


def run(args: argparse.Namespace) -> Outcome:
    """Say where the logs of one run are."""
    return service_of(args).logs(args.job, args.stage)
