"""The command `sweep`: many trainings, the best of which is evaluated."""

import argparse
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_pipeline, add_root, add_text
from idxpipe.pipeline.cli.services.flags import add_poll, add_vertex

if TYPE_CHECKING:
    from idxpipe.pipeline.runs.sweep import Standing, Trainer, Trial


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what varies, and the data."""
    parser.add_argument(
        "--set",
        action="append",
        required=True,
        metavar="NAME=V,V|A..B",
        help="values of a pipeline parameter: several, a range of whole numbers such as seed=0..4, "
        "or one for all; may be repeated",
    )
    what = "folder with the four IDX files (default: as for run)"
    parser.add_argument("--data", default=None, metavar="URI", help=what)
    add_root(parser)
    add_pipeline(parser)
    what = "train as jobs on Vertex AI, in --project and --region, below a root in a bucket"
    parser.add_argument("--vertex", action="store_true", help=what)
    add_vertex(parser)
    add_poll(parser)
    add_text(parser, "--service-account", "EMAIL", "account that the jobs run as")
    what = "trainings at a time (default: 1); on Vertex AI, the first is trained before the others"
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """Train all combinations, and evaluate the one that the validation set likes best."""
    from idxpipe.components.core.narration import say
    from idxpipe.pipeline.runs import sweep

    if args.jobs < 1:
        raise UsageError("invalid value", where="--jobs", expected="at least 1", found=args.jobs)
    names = {text.partition("=")[0].strip() for text in args.set}
    given = list(args.set)
    if sweep.VALIDATION not in names:
        given.append(f"{sweep.VALIDATION}={sweep.DEFAULT_FRACTION}")
        say(f"{sweep.DEFAULT_FRACTION:.0%} of the training split is held out to choose by")
    trials = sweep.grid(given)
    vary = sweep.varying(trials)
    trainer = _trainer(args)
    done: list[Trial] = []

    def told(trial: "Trial") -> None:
        done.append(trial)
        say(f"{len(done)}/{len(trials)}  {_words(trial, vary)}")

    found = sweep.sweep(trials, trainer, jobs=args.jobs, told=told)
    board = sweep.leaderboard(found)
    best = board[0].trials[0] if board[0].trials else None
    if best is None:
        return Outcome({"trials": [trial.to_json() for trial in found]}, error=_why_none(found))
    say(f"evaluating the best: {best.run_id}")
    record, error = trainer.evaluate(best)
    data = {
        "leaderboard": [standing.to_json() for standing in board],
        "trials": [trial.to_json() for trial in found],
        "best": record,
    }
    return Outcome(data, _text(board, vary, record), error=error)


def _trainer(args: argparse.Namespace) -> "Trainer":
    from idxpipe.pipeline.runs.sweep import Here, OnVertex

    words = ["--root", args.root, *(["--data", args.data] if args.data is not None else [])]
    pipeline = ["--pipeline", args.pipeline] if args.pipeline else []
    if args.service_account and not args.vertex:
        raise UsageError(
            "an account is for jobs on Vertex AI",
            where="--service-account",
            expected="--vertex, too",
        )
    if not args.vertex:
        return Here([*words, *pipeline])
    account = ["--service-account", args.service_account] if args.service_account else []
    place = ["--project", args.project, "--region", args.region]
    place += ["--endpoint", args.endpoint] if args.endpoint else []
    place += ["--poll", str(args.poll)]
    return OnVertex(place, [*words, *account], pipeline)


def _why_none(found: "list[Trial]") -> IdxpipeError:
    """Return why no trial has a score."""
    errors = [trial.error for trial in found if trial.error]
    return (
        errors
        or [
            UsageError(
                "nothing to choose by",
                where="validation_fraction",
                expected="more than 0",
                remedy="leave it out: a sweep sets it",
            )
        ]
    )[0]


def _words(trial: "Trial", vary: list[str]) -> str:
    values = " ".join(f"{name}={trial.values[name]}" for name in vary) or "the only one"
    if trial.score is None:
        return f"{values}: failed: {trial.error.problem if trial.error else 'no score'}"
    return f"{values}: {trial.score:.4f} on the validation set, run {trial.run_id}"


def _text(board: "list[Standing]", vary: list[str], record: dict[str, Any]) -> str:
    from idxpipe.pipeline.cli.tables import table

    rows = [
        (
            " ".join(f"{n}={standing.values[n]}" for n in vary if n in standing.values) or "-",
            "-" if standing.mean is None else f"{standing.mean:.4f}",
            "-" if standing.spread is None else f"{standing.spread:.4f}",
            len(standing.trials),
            standing.failed or "",
            standing.trials[0].run_id if standing.trials else "",
        )
        for standing in board
    ]
    head = ("parameters", "validation accuracy", "stdev", "seeds", "failed", "best run")
    lines = [table(*head, rows=rows)]
    tested = _accuracy(record)
    if tested is not None:
        lines += ["", f"test accuracy of the best, looked at once: {tested:.4f}"]
        lines.append(f"run {record.get('run_id')}")
    return "\n".join(lines)


def _accuracy(record: dict[str, Any]) -> float | None:
    from idxpipe.pipeline.runs.listing import accuracy
    from idxpipe.pipeline.runs.sweep import record_of

    if not record:
        return None
    return accuracy(record_of(record))
