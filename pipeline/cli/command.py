"""What a command is: its flags, and what it comes to; commands.py has its name."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from idxpipe.components.core.errors import IdxpipeError


@dataclass(frozen=True)
class Outcome:
    """What a command came to.

    Attributes:
        data: JSON values, for `--json`.
        text: The same for a person: as a whole, or line by line as they come.
        exit_code: Of the process, where the command ended without an error.
        error: What it ended in, where there is `data` all the same.
    """

    data: Any
    text: str | Iterable[str] = ""
    exit_code: int = 0
    error: IdxpipeError | None = None


class Command(Protocol):
    """A module of this package that is a command."""

    def add_flags(self, parser: argparse.ArgumentParser, /) -> None:
        """Add its flags and positional arguments."""
        ...

    def run(self, args: argparse.Namespace, /) -> Outcome:
        """Do it.

        Raises:
            IdxpipeError: If it cannot be done.
        """
        ...
