"""The command `doctor`."""

import argparse
import sys

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_pipeline, add_place, add_required, add_text
from idxpipe.pipeline.vertex.targets import TARGETS


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what a run would be given."""
    add_place(parser)
    add_required(parser, "--root", "where the artifacts go: gs://BUCKET/FOLDER")
    add_text(parser, "--data", "URI", "folder with the four IDX files, on gs://")
    add_text(parser, "--service-account", "EMAIL", "what the stages run as")
    add_pipeline(parser)
    what = f"one of {', '.join(TARGETS)} (default: what the pipeline was compiled for)"
    add_text(parser, "--accelerator", "NAME", what)


def run(args: argparse.Namespace) -> Outcome:
    """Check everything; exit code 5 if something would stop the run."""
    from idxpipe.components.core.errors import SetupError
    from idxpipe.components.core.idx.files import DataConfig
    from idxpipe.components.core.narration import say
    from idxpipe.pipeline.compile import compiled_file
    from idxpipe.pipeline.preflight.check import failures
    from idxpipe.pipeline.preflight.doctor import Plan, examine
    from idxpipe.pipeline.vertex.request import Place

    plan = Plan(
        Place(args.project, args.region),
        args.root,
        DataConfig(data=args.data),
        args.service_account,
        args.pipeline or compiled_file(),
        args.accelerator,
    )
    checks = []
    for check in examine(plan):
        checks.append(check)
        if sys.stderr.isatty():
            # Some take seconds; the whole list follows on stdout.
            say(f"{check.status} {check.what}")
    failed = failures(checks)
    data = {"ok": not failed, "checks": [check.to_json() for check in checks]}
    exit_code = SetupError.exit_code if failed else 0
    return Outcome(data, "\n".join(map(str, checks)), exit_code)
