"""The outcome of one check: what was looked at, what was found, and the command that fixes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from idxpipe.components.core.errors import IdxpipeError, SetupError

ME = "user:$(gcloud config get-value account)"
"""The caller as a member of a policy, for the shell."""


class Status(StrEnum):
    """How a check came out, as it is printed."""

    OK = "ok"
    FAIL = "FAIL"
    UNKNOWN = "?"


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        status: How it came out.
        what: What was looked at.
        found: What was there, or why it cannot be told.
        fix: A command to copy; empty where there is nothing to do.
    """

    status: Status
    what: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"; fix: {self.fix}" if self.fix else ""
        # One check is one line, whatever a server answered.
        return " ".join(f"{self.status:<5}{self.what}: {self.found}{fix}".split("\n"))

    def to_json(self) -> dict[str, str]:
        """Return the fields as JSON values."""
        return {
            "status": str(self.status),
            "what": self.what,
            "found": self.found,
            "fix": self.fix,
        }


def ok(what: str, found: str) -> Check:
    """Return a check that is in order."""
    return Check(Status.OK, what, found)


def fail(what: str, found: str, fix: str = "") -> Check:
    """Return a check that would stop the run."""
    return Check(Status.FAIL, what, found, fix)


def unknown(what: str, found: str, fix: str = "") -> Check:
    """Return a check that cannot be decided from here."""
    return Check(Status.UNKNOWN, what, found, fix)


def summary(error: IdxpipeError) -> str:
    """Return an error as part of one line."""
    return f"{error.problem} ({error.found})" if error.found is not None else error.problem


def failures(checks: Iterable[Check]) -> list[Check]:
    """Return the checks that would stop the run."""
    return [check for check in checks if check.status is Status.FAIL]


def require(checks: Iterable[Check]) -> None:
    """Refuse to go on.

    Raises:
        SetupError: If a check failed, with every one of them.
    """
    failed = failures(checks)
    if failed:
        raise SetupError(
            f"{len(failed)} of the checks before a run failed",
            found="".join(f"\n    {check}" for check in failed),
            remedy="run the fixes, or submit with --no-preflight",
        )
