"""The parser of the command line: short usage, and the nearest name to a mistyped one."""

import argparse
import difflib
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from idxpipe.components.core.errors import PREFIX, UsageError

# What somebody who gives a value may mean by it; all but true and false are refused.
_BOOLEANS = {"true", "false", "yes", "no", "on", "off", "1", "0"}
EXIT_CODES = """\
exit codes: 0 done, 1 a defect of idxpipe, 2 usage, 3 bad data, 4 gate not passed,
5 environment, 6 transient: try again, 130 interrupted"""


class Parser(argparse.ArgumentParser):
    """A parser whose usage names only what must be given.

    Attributes:
        commands: The parsers of the commands, by name.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self.commands: dict[str, Parser] = {}

    @property
    def flags(self) -> list[str]:
        """The long flags."""
        return [name for a in self._actions for name in a.option_strings if name[:2] == "--"]

    def shorten_usage(self) -> None:
        """Leave optional flags out of the usage, where they would fill the screen."""
        either = [g._group_actions for g in self._mutually_exclusive_groups if g.required]
        words = [f"({' | '.join(a.option_strings[0] for a in actions)})" for actions in either]
        for action in self._actions:
            name = f"{action.option_strings[0]} " if action.option_strings else ""
            if action.required:
                words.append(f"{name}{action.metavar}{' ...' if action.nargs == '+' else ''}")
            elif not action.option_strings:
                words.append(f"[{action.metavar}]")
        self.usage = " ".join([self.prog, *words, "[FLAGS]"]).replace("%", "%%")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; a flag that takes true or false means true where neither follows.

        argparse would take what follows, such as a file, for the value.
        """
        switches = {
            name for a in self._actions if a.const is True and a.nargs for name in a.option_strings
        }
        words: list[str] = []
        given = sys.argv[1:] if args is None else list(args)
        for word, following in zip(given, [*given[1:], ""], strict=False):
            alone = word in switches and following.lower() not in _BOOLEANS
            words.append(f"{word}=true" if alone else word)
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong; exit with code 2."""
        self.print_usage(sys.stderr)
        remedy = _setting(message) or f"{self.prog} --help"
        self.exit(2, f"{PREFIX}{message}\n  to do:    {remedy}\n")


def check_words(parser: Parser, words: Sequence[str]) -> None:
    """Refuse a command or flag that there is not, with the nearest that there is.

    argparse names what is missing before it names what is mistyped.

    Raises:
        UsageError: Naming the first.
    """
    name = words[0]
    if name.startswith("-"):
        return
    if name not in parser.commands:
        parser.print_usage(sys.stderr)
        near = _nearest(name, parser.commands)
        raise UsageError(
            "no such command",
            where="idxpipe",
            found=name,
            remedy=f"did you mean {near}?" if near else "idxpipe --help lists them",
        )
    own = parser.commands[name]
    for position, word in enumerate(words[1:], 1):
        given, _, value = word.partition("=")
        if word == "--":
            return
        if given.startswith("--") and not any(known.startswith(given) for known in own.flags):
            following = words[position + 1 : position + 2]
            own.print_usage(sys.stderr)
            raise UsageError(
                "no such flag",
                where=own.prog,
                found=given,
                remedy=_remedy(own, given, value or " ".join(following)),
            )


def _setting(message: str) -> str:
    """Return what to do where argparse does not know `NAME=VALUE`; else nothing."""
    from idxpipe.components.core.config import flag
    from idxpipe.pipeline.catalogue import PARAMETERS

    found = re.match(r"unrecognized arguments: (\w+)=(.+)", message)
    if found is None or found[1] not in PARAMETERS:
        return ""
    value = shlex.quote(found[2])
    return f"--set {found[1]}={value}, or for the command of a stage {flag(found[1])} {value}"


def _remedy(parser: Parser, given: str, value: str) -> str:
    """Return what could be meant by a flag that there is not."""
    from idxpipe.components.core.config import flag
    from idxpipe.pipeline.catalogue import PARAMETERS

    near = _nearest(given, parser.flags)
    if "--set" in parser.flags and not near:
        parameter = _nearest(given, map(flag, PARAMETERS))
        if parameter:
            name = parameter.removeprefix("--").replace("-", "_")
            shown = "VALUE" if not value or value.startswith("-") else shlex.quote(value)
            return f"parameters of the pipeline are given as --set {name}={shown}"
    return f"did you mean {near}?" if near else f"{parser.prog} --help lists its flags"


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)), "")
