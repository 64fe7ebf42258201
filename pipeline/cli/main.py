"""The `idxpipe` command: parses flags, runs one command, prints its outcome.

stdout is data, stderr is narration: an outcome is printed as text, or as one JSON document.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from idxpipe import __version__
from idxpipe.components.core.errors import PREFIX, IdxpipeError, SetupError, missing
from idxpipe.components.core.events import listening
from idxpipe.components.core.narration import give_up, narrate_logs, silence, tell
from idxpipe.pipeline.cli.command import Command, Outcome
from idxpipe.pipeline.cli.parsing import EXIT_CODES, Parser, check_words
from idxpipe.pipeline.cli.runs import (
    accept,
    clean,
    diff,
    list_runs,
    log,
    pin,
    report,
    resume,
    rm,
    run,
    show,
    sweep,
    tensorboard,
    unpin,
)
from idxpipe.pipeline.cli.runs import open as open_
from idxpipe.pipeline.cli.services import cancel, list_jobs, logs, schedule, status, submit, wait
from idxpipe.pipeline.cli.stages import (
    convert,
    evaluate,
    export,
    fetch,
    import_data,
    predict,
    records,
    train,
    validate,
)
from idxpipe.pipeline.cli.tools import compile as compile_
from idxpipe.pipeline.cli.tools import completion, doctor, image_tag, params, plan, tpu_check

# Set by a shell that asks what may follow, as argcomplete's shell code does.
COMPLETING = "_ARGCOMPLETE"
GROUPS: dict[str, tuple[Command, ...]] = {
    "the pipeline on this machine": (run, resume, accept, sweep),
    "its runs": (list_runs, show, open_, diff, report, log, tensorboard, clean, rm, pin, unpin),
    "single stages": (validate, convert, train, evaluate),
    "datasets and models": (fetch, import_data, records, export, predict),
    "Vertex AI and Kubeflow": (submit, status, wait, cancel, logs, list_jobs, schedule),
    "tools": (params, compile_, doctor, plan, image_tag, tpu_check, completion),
}
# Commands that do something; others only tell.
_WORK = {*GROUPS["the pipeline on this machine"], *GROUPS["single stages"]}
COMMANDS = {command.NAME: command for group in GROUPS.values() for command in group}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    _open_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser()
    if COMPLETING in os.environ:
        from idxpipe.pipeline.cli.completing import complete

        complete(parser)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    try:
        check_words(parser, words)
        args = parser.parse_args(words)
        narrate_logs()
        with _progress(quiet=args.quiet):
            outcome: Outcome = args.command.run(args)
    except IdxpipeError as error:
        outcome = Outcome({}, error=error)
    except ModuleNotFoundError as error:
        absent = missing(error)
        if absent is None:
            raise
        outcome = Outcome({}, error=absent)
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    as_json = "--json" in words
    if outcome.error:
        tell(f"{PREFIX}{outcome.error}")
        data = {"error": outcome.error.to_json(), **outcome.data}
        _print([json.dumps(data, indent=2)] if as_json else [])
        return outcome.error.exit_code
    return _show(outcome, as_json=as_json, does_work=args.command in _WORK)


def _open_streams() -> None:
    """Let output go nowhere where a stream is closed, and show every character in any encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _silent() -> Iterator[None]:
    with silence(), listening(lambda event: None):
        yield


def _progress(*, quiet: bool) -> AbstractContextManager[object]:
    """Return what draws the progress of a stage in this process, if there is a terminal."""
    if quiet:
        return _silent()
    if not sys.stderr.isatty():
        return nullcontext()
    from idxpipe.pipeline.cli.bars import Bars

    return Bars()


def build_parser() -> Parser:
    """Return the parser of all commands."""
    width = max(map(len, COMMANDS))
    groups = [
        "\n".join([f"{title}:", *(f"  {c.NAME:<{width}}  {c.HELP}" for c in commands)])
        for title, commands in GROUPS.items()
    ]
    parser = Parser(
        prog="idxpipe",
        usage="idxpipe COMMAND ...",
        description="From IDX files to an evaluated model, as one compiled Kubeflow pipeline.",
        epilog="\n\n".join([*groups, "`idxpipe COMMAND --help` explains one.", EXIT_CODES]),
    )
    parser.add_argument("--version", action="version", version=f"idxpipe {__version__}")
    subparsers = parser.add_subparsers(
        prog="idxpipe", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for name, command in COMMANDS.items():
        text = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        own = subparsers.add_parser(name, description=text, epilog=EXIT_CODES)
        own.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        own.add_argument("--quiet", action="store_true", help="say nothing on stderr but errors")
        command.add_flags(own)
        own.shorten_usage()
        own.set_defaults(command=command)
        parser.commands[name] = own
    return parser


def _show(outcome: Outcome, *, as_json: bool, does_work: bool) -> int:
    """Print an outcome; return the exit code, as its lines may still fail while they are made."""
    text = [outcome.text] if isinstance(outcome.text, str) else outcome.text
    try:
        written = _print([json.dumps(outcome.data, indent=2)] if as_json else text)
    except IdxpipeError as error:
        tell(f"{PREFIX}{error}")
        return error.exit_code
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    # What was done is done, whether or not it could be told.
    return outcome.exit_code if written or does_work else SetupError.exit_code


def _print(lines: Iterable[str]) -> bool:
    """Print lines as they come, for as long as somebody reads them; tell whether all could be."""
    for line in lines:
        try:
            print(line, flush=True)
        except OSError as error:
            give_up(sys.stdout)
            # A reader that went away, as `head` does, had enough.
            if isinstance(error, BrokenPipeError):
                return True
            tell(f"warning: the output cannot be written: {error.strerror}")
            return False
    return True
