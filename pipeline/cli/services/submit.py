"""The command `submit`: a whole pipeline, or some stages of an earlier run."""

import argparse

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_minutes, add_stages, add_text
from idxpipe.pipeline.cli.services.flags import add_dry_run, add_job, add_poll, add_service
from idxpipe.pipeline.cli.services.options import poll_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the service, the job and what happens with it."""
    add_service(parser)
    add_job(parser)
    add_stages(parser)
    what = "the earlier run, whose parameters and settings count if not given"
    add_text(parser, "--run", "JOB", what)
    add_poll(parser)
    parser.add_argument("--wait", action="store_true", help="follow the run to its end")
    add_dry_run(parser)
    what = "print what it will cost, and send nothing"
    parser.add_argument("--plan", action="store_true", help=what)
    add_minutes(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Submit the compiled pipeline, or part of it.

    Raises:
        IdxpipeError: If it is refused; with `--wait`, also the error that the run ended in.
    """
    poll_of(args)
    if bool(args.run) != bool(args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage and a run",
            where="submit",
            expected="--from STAGE or --only STAGE, with --run JOB",
            remedy="idxpipe list",
        )
    if args.kfp_host:
        from idxpipe.pipeline.cli.services.submit_kubeflow import submit_to_kubeflow

        return submit_to_kubeflow(args)
    from idxpipe.pipeline.cli.services.submit_vertex import submit_to_vertex

    return submit_to_vertex(args)
