"""The command `status`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.services.flags import add_one_job
from idxpipe.pipeline.cli.services.service import service_of

add_flags = add_one_job


def run(args: argparse.Namespace) -> Outcome:
    """Show one run."""
    return service_of(args).status(args.job)
