"""The command `run`: the compiled pipeline, or part of it, on this machine."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from idxpipe.components.core import storage
from idxpipe.components.core.errors import GateError, UsageError
from idxpipe.pipeline.catalogue import DEFAULT_DATA
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import (
    add_assignments,
    add_no_cache,
    add_pipeline,
    add_root,
    add_stages,
    add_text,
)
from idxpipe.pipeline.progress import Lines, Verbose, phrase
from idxpipe.pipeline.state import Progress, RunRecord, run_ids, silent

if TYPE_CHECKING:
    from idxpipe.pipeline.rerun import Rerun
    from idxpipe.pipeline.runs.plan import Step


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what is run, on which data, and what of an earlier run is taken."""
    parser.add_argument(
        "--data",
        default=None,
        metavar="URI",
        help=f"folder with the four IDX files (default: {DEFAULT_DATA}, which "
        "`idxpipe fetch mnist` makes)",
    )
    add_root(parser)
    add_assignments(parser)
    add_stages(parser)
    what = "the earlier run that --from and --only go on from (default: latest)"
    add_text(parser, "--run", "ID", what)
    add_text(parser, "--until", "STAGE", "end with this stage")
    what = "run this stage even if nothing changed; may be repeated"
    parser.add_argument("--force", action="append", default=[], metavar="STAGE", help=what)
    what = "YAML file with parameters, as `show --params` prints them; --set comes before it"
    add_text(parser, "--params", "FILE", what)
    add_no_cache(parser)
    what = "say for each stage whether it would run, and why; nothing is executed"
    parser.add_argument("--plan", action="store_true", help=what)
    what = "with --plan: exit with code 4 if a stage would run, other than one that always does"
    parser.add_argument("--check", action="store_true", help=what)
    add_trust(parser)
    add_running(parser)
    add_pipeline(parser, "; for --from and --only, the one that the earlier run ran")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add whether the recorded commands of somebody else may run."""
    what = "run an earlier run's recorded commands even if somebody else may have written them"
    parser.add_argument("--trust-record", action="store_true", help=what)


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add how stages are run."""
    what = "after a failure, still run the stages that do not need the one that failed"
    parser.add_argument("--keep-going", action="store_true", help=what)
    what = "show what the stages print, too, while they run"
    parser.add_argument("--verbose", action="store_true", help=what)
    what = "hash every file of what is taken from the cache, and make again what is damaged"
    parser.add_argument("--verify", action="store_true", help=what)
    what = "stages at a time (default: one per CPU)"
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """Run the compiled pipeline, or part of it."""
    from idxpipe.pipeline import launch

    if args.run and not (args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage, too",
            where="--run",
            expected="--from STAGE or --only STAGE beside it",
            found=args.run,
        )
    if args.check and not args.plan:
        raise UsageError("what would be checked is a plan", where="--check", expected="--plan, too")
    given = launch.read_parameters(args.params) if args.params else {}
    if args.from_stage or args.only:
        job = launch.part(
            args.root,
            args.run,
            stages_from=args.from_stage,
            only=args.only,
            pipeline=args.pipeline,
            data=args.data,
            assignments=args.set,
            given=given,
            trust_record=args.trust_record,
        )
    else:
        job = launch.whole(args.pipeline, args.data, args.set, given)
    job = launch.narrowed(job, until=args.until, force=args.force)
    if args.plan:
        return _plan(job, args)
    return start(job, args)


def start(job: "Rerun", args: argparse.Namespace) -> Outcome:
    """Run what was prepared, with its progress on stderr."""
    from idxpipe.pipeline import launch

    if args.quiet and args.verbose:
        raise UsageError("one or the other", where="--quiet and --verbose", remedy="leave one out")
    with _progress(quiet=args.quiet, verbose=args.verbose) as shown:
        record = launch.start(
            job,
            args.root,
            cache=not args.no_cache,
            verify=args.verify,
            jobs=args.jobs or None,
            progress=shown,
            keep_going=args.keep_going,
        )
    return _outcome(record)


def _plan(job: "Rerun", args: argparse.Namespace) -> Outcome:
    from idxpipe.pipeline import launch
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.runs.plan import plan

    launch.check(job, args.root)
    cached = not args.no_cache
    steps = plan(
        job.pipeline,
        job.parameters,
        args.root,
        cached=cached,
        verify=args.verify,
        force=job.force,
    )
    rows = [(step.title, *_words(step)) for step in steps]
    exit_code = GateError.exit_code if args.check and any(step.runs for step in steps) else 0
    data = [step.to_json() for step in steps]
    return Outcome(data, table("stage", "would", "why", rows=rows), exit_code)


def _words(step: "Step") -> tuple[str, str]:
    """Return what would become of a stage, and why."""
    if step.cached_from:
        return "be cached", "; ".join([f"from run {step.cached_from}", *step.reasons])
    if step.unless:
        return "run", f"unless {' and '.join(step.unless)} makes the same as before"
    return "run", phrase(step.reasons)


def _progress(*, quiet: bool, verbose: bool) -> AbstractContextManager[Progress]:
    if quiet:
        return nullcontext(silent)
    if verbose:
        return Verbose()
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
    if error:
        say("\n".join([stages(record), *summary.report_lines(record)]))
        return Outcome({"run": record.to_json()}, error=error)
    lines = [stages(record), "", *summary.metric_lines(record), *_where(record)]
    return Outcome(record.to_json(), "\n".join(lines))


def _where(record: RunRecord) -> Iterator[str]:
    """Yield where what the run made is, and what to do with it."""
    from idxpipe.pipeline.cli import summary
    from idxpipe.pipeline.runs.links import products

    made = dict(products(record))
    if "model" in made:
        yield f"{'model':<18}{summary.shown(made['model'])}"
    yield from summary.report_lines(record)
    yield f"{'logs':<18}{summary.shown(storage.join(record.folder, 'logs'))}"
    yield f"{'run page':<18}{summary.shown(storage.join(record.folder, 'index.html'))}"
    yield f"{'run':<18}{summary.shown(record.folder)}"
    root = [] if record.root == os.path.abspath("out") else ["--root", summary.shown(record.root)]
    show = shlex.join(["idxpipe", "show", *root])
    again = shlex.join(["idxpipe", "run", *root, "--from", "train", "--set", "learning_rate=0.01"])
    predict = shlex.join(["idxpipe", "predict", "--model", "latest", *root, "IMAGES"])
    yield ""
    yield f"{'look':<18}{show}"
    if "model" in made:
        yield f"{'predict':<18}{predict}"
        yield f"{'change':<18}{again}"
    if len(run_ids(record.root)) > 1:
        # A shell takes a `~` within a word as it is.
        compare = " ".join(["idxpipe diff latest~1 latest", *map(shlex.quote, root)])
        yield f"{'compare':<18}{compare}"
