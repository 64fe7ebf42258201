"""The command `resume`: goes on where a run stopped."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_assignments, add_no_cache, add_pipeline, add_run


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run, and how it goes on."""
    from idxpipe.pipeline.cli.runs.run import add_running, add_trust

    add_run(parser)
    add_assignments(parser)
    add_no_cache(parser)
    add_trust(parser)
    add_running(parser)
    add_pipeline(parser, "; without, the one that the run ran")


def run(args: argparse.Namespace) -> Outcome:
    """Go on with a run, from the first stage that did not finish."""
    from idxpipe.components.core.errors import UsageError
    from idxpipe.pipeline import failure, launch
    from idxpipe.pipeline.cli.runs.run import start
    from idxpipe.pipeline.runs.reference import find_run
    from idxpipe.pipeline.state import Status

    record = find_run(args.run_id, args.root)
    finished = all(task.status.finished for task in record.tasks.values())
    if finished and record.status is Status.SUCCEEDED:
        raise UsageError(
            "there is nothing to go on with",
            where=record.run_id,
            found=f"every stage has finished: the run {record.status}",
            remedy="idxpipe run --from STAGE runs a stage again",
        )
    args.root = record.root
    job = launch.part(
        record.root,
        record.run_id,
        stages_from=failure.stopped_at(record),
        only="",
        pipeline=args.pipeline,
        data=None,
        assignments=args.set,
        trust_record=args.trust_record,
    )
    return start(job, args)
