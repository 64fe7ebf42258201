"""The command `run`: the compiled pipeline, or part of it, on this machine."""

import argparse
import os
import sys
from contextlib import AbstractContextManager

from idxpipe.components.core import storage
from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline import launch
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import (
    add_assignments,
    add_no_cache,
    add_pipeline,
    add_root,
    add_stages,
    add_text,
)
from idxpipe.pipeline.progress import Lines
from idxpipe.pipeline.state import Progress, RunRecord

NAME = "run"
HELP = "run the compiled pipeline on this machine, with cache"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what is run, on which data, and what of an earlier run is taken."""
    parser.add_argument(
        "--data",
        default=None,
        metavar="URI",
        help=f"folder with the four IDX files (default: {launch.DEFAULT_DATA})",
    )
    add_root(parser)
    add_assignments(parser)
    add_stages(parser)
    what = "the earlier run that --from and --only go on from (default: latest)"
    add_text(parser, "--run", "ID", what)
    add_no_cache(parser)
    what = "stages at a time (default: one per CPU)"
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help=what)
    add_pipeline(parser, "; for --from and --only, the one that the earlier run ran")


def run(args: argparse.Namespace) -> Outcome:
    """Run the compiled pipeline, or part of it."""
    if args.run and not (args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage, too",
            where="--run",
            expected="--from STAGE or --only STAGE beside it",
            found=args.run,
        )
    if args.from_stage or args.only:
        job = launch.part(
            args.root,
            args.run,
            stages_from=args.from_stage,
            only=args.only,
            pipeline=args.pipeline,
            data=args.data,
            assignments=args.set,
        )
    else:
        job = launch.whole(args.pipeline, args.data, args.set)
    with _progress() as shown:
        jobs = args.jobs or None
        record = launch.start(job, args.root, cache=not args.no_cache, jobs=jobs, progress=shown)
    return _outcome(record)


def _progress() -> AbstractContextManager[Progress]:
    if sys.stderr.isatty():
        from idxpipe.pipeline.cli.display import Live

        return Live()
    return Lines()


def _outcome(record: RunRecord) -> Outcome:
    from idxpipe.components.core.narration import say
    from idxpipe.pipeline.cli import summary
    from idxpipe.pipeline.cli.display import stages
    from idxpipe.pipeline.failure import error_of

    error = error_of(record)
    reports = [_shown(uri) for uri in summary.reports(record).values()]
    if error:
        say("\n".join([stages(record), *(f"report  {uri}" for uri in reports)]))
        return Outcome({"run": record.to_json()}, error=error)
    lines = [stages(record), "", *summary.metric_lines(record)]
    lines += [f"report            {uri}" for uri in reports]
    lines.append(f"run               {_shown(record.folder)}")
    return Outcome(record.to_json(), "\n".join(lines))


def _shown(uri: str) -> str:
    """Return a path below the current folder relative to it, anything else as it is."""
    here = os.getcwd() + os.sep
    return uri.removeprefix(here) if storage.is_local(uri) else uri
