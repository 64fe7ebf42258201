"""The command `log`: what a stage of a run printed, and goes on printing."""

import argparse
import shlex
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root

if TYPE_CHECKING:
    from idxpipe.pipeline.state import TaskRecord

_POLL_SECONDS = 0.5


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run, the stage, and whether to wait for more."""
    what = "the run: its id, the beginning of it, `latest`, or its folder"
    parser.add_argument("run_id", metavar="RUN", help=what)
    parser.add_argument("stage", metavar="STAGE", help="one of its stages, such as train")
    add_root(parser)
    parser.add_argument("--follow", action="store_true", help="go on until the stage has ended")


def run(args: argparse.Namespace) -> Outcome:
    """Print the log of a stage."""
    task = _find(args)
    return Outcome({"stage": task.name, "log": task.log}, _lines(args, task))


def _find(args: argparse.Namespace) -> "TaskRecord":
    from idxpipe.components.core.errors import UsageError, meant
    from idxpipe.pipeline.runs.reference import find_run

    record = find_run(args.run_id, args.root)
    stages = {t.name: t for t in record.tasks.values() if t.kind == "container"}
    task = stages.get(args.stage)
    if task is None:
        raise UsageError(
            "no such stage",
            where=record.run_id,
            expected="one of " + ", ".join(stages),
            found=args.stage,
            remedy=meant(args.stage, stages),
        )
    if not task.log:
        words = ["idxpipe", "log", task.cached_from or "", task.name, "--root", record.root]
        raise UsageError(
            "this stage has printed nothing in this run",
            where=f"{record.run_id}, {task.name}",
            found=str(task.status),
            remedy=shlex.join(words) if task.cached_from else "",
        )
    return task


def _lines(args: argparse.Namespace, task: "TaskRecord") -> Iterator[str]:
    from idxpipe.components.core import storage
    from idxpipe.pipeline.state import Status

    at, rest = 0, b""
    while True:
        # Before the text: what is printed until it has ended must not be missed.
        ended = not args.follow or _find(args).status is not Status.RUNNING
        uri = task.log or ""
        found = storage.read(uri, at) if storage.exists(uri) and storage.size(uri) > at else b""
        at += len(found)
        *lines, rest = (rest + found).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
        if ended:
            if rest:
                yield rest.decode(errors="replace")
            return
        time.sleep(_POLL_SECONDS)
