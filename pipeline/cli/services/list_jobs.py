"""The command `list`."""

import argparse

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_text
from idxpipe.pipeline.cli.services.flags import add_service
from idxpipe.pipeline.cli.services.service import service_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the service, and which runs of it."""
    add_service(parser)
    what = "in the API's language, such as state=PIPELINE_STATE_FAILED"
    add_text(parser, "--filter", "EXPR", what)
    what = "at most (default: 20)"
    parser.add_argument("--limit", type=int, default=20, metavar="N", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """List runs."""
    if args.limit < 1:
        raise UsageError("invalid value", where="--limit", expected="at least 1", found=args.limit)
    return service_of(args).list(args.limit, args.filter)
