"""The command `tensorboard`: the trainings of runs, side by side under readable names."""

import argparse
from typing import TYPE_CHECKING

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the runs."""
    what = "runs: ids, beginnings of them, `latest`, or folders (default: all that trained)"
    parser.add_argument("run_ids", nargs="*", metavar="RUN", help=what)
    add_root(parser)
    parser.add_argument("--port", type=int, default=6006, metavar="N", help="(default: 6006)")
    parser.add_argument("--host", default="localhost", metavar="NAME", help="(default: localhost)")


def run(args: argparse.Namespace) -> Outcome:
    """Start TensorBoard, until Ctrl-C."""
    import subprocess
    import sys
    from importlib.util import find_spec

    from idxpipe.components.core.errors import SetupError, UsageError, installing
    from idxpipe.components.core.stores.temporary import temporary_folder
    from idxpipe.pipeline.runs import listing, trainings
    from idxpipe.pipeline.runs.reference import find_run

    if not find_spec("tensorboard"):
        raise SetupError(
            "TensorBoard is not installed",
            where="tensorboard",
            remedy=installing("tensorboard"),
        )
    records: list[RunRecord] = (
        [find_run(given, args.root) for given in args.run_ids]
        if args.run_ids
        else [record for row in listing.rows(args.root) if (record := row.record)]
    )
    found = trainings.logs_of(records)
    if not found:
        raise UsageError("no run has trained", where=args.root, remedy="idxpipe runs lists them")
    with temporary_folder("tensorboard") as folder:
        trainings.arrange(found, folder)
        command = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", folder]
        command += ["--port", str(args.port), "--host", args.host]
        try:
            done = subprocess.run(command, check=False)
        except KeyboardInterrupt:
            return Outcome({"runs": list(found)})
    return Outcome({"runs": list(found)}, exit_code=5 if done.returncode else 0)
