"""The command `run`: the compiled pipeline, or part of it, on this machine."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.catalogue import DATA_PARAMETERS, URI_PARAMETERS, check_values, is_ours
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import (
    add_assignments,
    add_no_cache,
    add_pipeline,
    add_root,
    add_stages,
    add_text,
)

if TYPE_CHECKING:
    from idxpipe.pipeline.rerun import Rerun
    from idxpipe.pipeline.spec.parse import Pipeline
    from idxpipe.pipeline.state import RunRecord

NAME = "run"
HELP = "run the compiled pipeline on this machine, with cache"
DEFAULT_DATA = "data/mnist"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what is run, on which data, and what of an earlier run is taken."""
    parser.add_argument(
        "--data",
        default=None,
        metavar="URI",
        help=f"folder with the four IDX files (default: {DEFAULT_DATA})",
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
    options: dict[str, Any] = {"cache": not args.no_cache, "jobs": args.jobs or None}
    if args.from_stage or args.only:
        again = _rerun(args)
        options |= {"force": again.force, "earlier": again.earlier}
        pipeline, parameters = again.pipeline, dict(again.parameters)
    else:
        pipeline, parameters = _first_run(args)
    if is_ours(pipeline.parameters):
        check_values(parameters)
    # Before the run's record keeps them.
    for uri in (args.root, *(parameters.get(name, "") for name in URI_PARAMETERS)):
        storage.refuse_secrets(uri)
    return _outcome(_run(pipeline, parameters, args.root, options))


def _run(
    pipeline: "Pipeline", parameters: dict[str, Any], root: str, options: dict[str, Any]
) -> "RunRecord":
    from idxpipe.pipeline.local import runner

    if not sys.stderr.isatty():
        from idxpipe.pipeline.cli.display import Lines

        return runner.run(pipeline, parameters, root, progress=Lines(), **options)
    from idxpipe.pipeline.cli.display import Live

    with Live() as shown:
        return runner.run(pipeline, parameters, root, progress=shown, **options)


def _outcome(record: "RunRecord") -> Outcome:
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


def _first_run(args: argparse.Namespace) -> tuple["Pipeline", dict[str, Any]]:
    from idxpipe.pipeline.compile import PIPELINE_FILE
    from idxpipe.pipeline.spec import params, parse

    pipeline = parse.load_compiled(args.pipeline or PIPELINE_FILE)
    values: dict[str, Any] = {}
    given = {assignment.partition("=")[0].strip() for assignment in args.set}
    if args.data is not None:
        values["data"] = args.data
    elif is_ours(pipeline.parameters) and not given & set(DATA_PARAMETERS):
        values["data"] = DEFAULT_DATA
    resolved = params.resolve(pipeline.parameters, args.set, values)
    return pipeline, _absolute(resolved) if is_ours(pipeline.parameters) else resolved


def _rerun(args: argparse.Namespace) -> "Rerun":
    from idxpipe.pipeline.rerun import rerun
    from idxpipe.pipeline.spec.parse import load_compiled
    from idxpipe.pipeline.state import LATEST

    assignments = [*args.set, *([f"data={args.data}"] if args.data is not None else [])]
    return rerun(
        args.root,
        args.run or LATEST,
        stages_from=args.from_stage or None,
        only=args.only or None,
        assignments=[_absolute_assignment(text) for text in assignments],
        pipeline=load_compiled(args.pipeline) if args.pipeline else None,
    )


def _absolute(parameters: dict[str, Any]) -> dict[str, Any]:
    """Make local paths absolute, so that a rerun from another folder means the same files."""
    return {
        name: os.path.abspath(storage.local_path(value))
        if name in URI_PARAMETERS and value and storage.is_local(value)
        else value
        for name, value in parameters.items()
    }


def _absolute_assignment(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={_absolute({name.strip(): value})[name.strip()]}" if value else text


def _shown(uri: str) -> str:
    """Return a path below the current folder relative to it, anything else as it is."""
    here = os.getcwd() + os.sep
    return uri.removeprefix(here) if storage.is_local(uri) else uri
