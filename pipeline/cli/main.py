"""The `idxpipe` command: parses flags, runs one command, prints its outcome.

stdout is data, stderr is narration: an outcome is printed as text, or as one JSON document.
"""

import argparse
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from idxpipe import __version__
from idxpipe.components.core.errors import (
    PREFIX,
    IdxpipeError,
    SetupError,
    UsageError,
    missing,
    of_machine,
)
from idxpipe.components.core.narration import (
    PATIENCE_VARIABLE,
    ending_on_interrupt,
    give_up,
    silence,
    tell,
)
from idxpipe.pipeline.cli.commands import COMMANDS, GROUPS, WORK
from idxpipe.pipeline.cli.parsing import EXIT_CODES, Parser, check_words

if TYPE_CHECKING:
    from idxpipe.pipeline.cli.command import Outcome

# Set by a shell that asks what may follow, as argcomplete's shell code does.
COMPLETING = "_ARGCOMPLETE"
# Alone, these ask of all commands, and no command's flags are needed for an answer.
_ABOUT: tuple[list[str], ...] = ([], ["--help"], ["-h"], ["--version"])
_MAX_WAIT = (
    "give up after so long without what is waited for: storage (default: 120), a service, a TPU, "
    "a lock that another process holds, the end of a job (default: none)"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    _open_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser(_asked_for(words))
    if COMPLETING in os.environ:
        from idxpipe.pipeline.cli.completing import complete

        complete(parser)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    as_json = "--json" in words
    try:
        check_words(parser, words)
        outcome = _run(parser, words)
    except (IdxpipeError, ModuleNotFoundError, OSError) as error:
        found = _said_of(error)
        if found is None:
            raise
        return _end(found, {}, as_json=as_json)
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    if outcome.error:
        return _end(outcome.error, outcome.data, as_json=as_json)
    return _show(outcome, as_json=as_json, does_work=words[0] in WORK)


def _asked_for(words: Sequence[str]) -> Iterable[str]:
    """Return the commands whose flags are needed to understand `words`."""
    if COMPLETING in os.environ:
        return COMMANDS
    if list(words) in _ABOUT:
        return ()
    return words[:1] if words[0] in COMMANDS else COMMANDS


def _run(parser: Parser, words: Sequence[str]) -> "Outcome":
    args = parser.parse_args(words)
    from idxpipe.pipeline.cli.logs import narrate_logs

    narrate_logs()
    _set_patience(args.max_wait)
    with ending_on_interrupt(), _progress(quiet=args.quiet):
        outcome: Outcome = args.command.run(args)
    return outcome


def _said_of(error: Exception) -> IdxpipeError | None:
    """Return what to say of an error; None if it is a defect of ours."""
    if isinstance(error, ModuleNotFoundError):
        return missing(error)
    if isinstance(error, OSError):
        return of_machine(error)
    return error if isinstance(error, IdxpipeError) else None


def _end(error: IdxpipeError, data: Any, *, as_json: bool) -> int:
    """Tell what a command ended in; return the exit code."""
    tell(f"{PREFIX}{error}")
    text = json.dumps({"error": error.to_json(), **data}, indent=2)
    _print([text] if as_json else [])
    return error.exit_code


def _open_streams() -> None:
    """Let output go nowhere where a stream is closed, and show every character in any encoding."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _set_patience(seconds: float | None) -> None:
    """Have this process, and the stages that it starts, wait no longer than the flag says."""
    if seconds is None:
        return
    if not 0 < seconds < math.inf:
        raise UsageError(
            "invalid value", where="--max-wait", expected="a number of seconds", found=seconds
        )
    os.environ[PATIENCE_VARIABLE] = str(seconds)


@contextmanager
def _silent() -> Iterator[None]:
    from idxpipe.components.core.events import listening

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


def build_parser(names: Iterable[str] = tuple(COMMANDS)) -> Parser:
    """Return the parser, with the flags of the commands of these names; its help lists all."""
    width = max(map(len, COMMANDS))
    groups = [
        "\n".join([f"{title}:", *(f"  {c.name:<{width}}  {c.help}" for c in commands)])
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
    for name in names:
        command, about = COMMANDS[name].load(), COMMANDS[name].help
        text = f"{about[0].upper()}{about[1:]}."
        own = subparsers.add_parser(name, description=text, epilog=EXIT_CODES)
        own.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        own.add_argument("--quiet", action="store_true", help="say nothing on stderr but errors")
        own.add_argument("--max-wait", type=float, metavar="SECONDS", help=_MAX_WAIT)
        command.add_flags(own)
        own.shorten_usage()
        own.set_defaults(command=command)
        parser.commands[name] = own
    return parser


def _show(outcome: "Outcome", *, as_json: bool, does_work: bool) -> int:
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
