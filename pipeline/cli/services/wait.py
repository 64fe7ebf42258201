"""The command `wait`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.services.flags import add_one_job, add_poll
from idxpipe.pipeline.cli.services.options import poll_of
from idxpipe.pipeline.cli.services.service import service_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run, and how often to look."""
    add_one_job(parser)
    add_poll(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Follow one run to its end."""
    return service_of(args).follow(args.job, poll_of(args))
