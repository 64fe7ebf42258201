"""Who holds a lease, as the object says it."""

import dataclasses
import json
import os
import secrets
import socket
from datetime import UTC, datetime
from typing import Any, Self

from idxpipe.components.core import host
from idxpipe.components.core.errors import UsageError

SCHEMA_VERSION = 1
VARIABLE = "IDXPIPE_LEASE_SECONDS"
_USUAL_SECONDS = 60.0
_SHORTEST, _LONGEST = 1.0, 3600.0


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that holds a lease.

    Attributes:
        host: Name of its machine.
        pid: Its number there.
        machine: What tells the numbers of that machine's processes from others; may be empty.
        run: The run that it works for, if it knows.
        nonce: What no other lease has, not even the next one of this process.
        term: Seconds for which it holds a lease that it does not renew; 0 if it gave it back.
        renewed: When it wrote this last, by its own clock, for people only.
        count: How often it did.
    """

    host: str
    pid: int
    machine: str
    run: str
    nonce: str
    term: float
    renewed: str = ""
    count: int = 0

    @classmethod
    def here(cls, run: str = "") -> Self:
        """Return this process as the holder of a new lease.

        Raises:
            UsageError: If the environment asks for a term that cannot be.
        """
        nonce = secrets.token_hex(16)
        return cls(socket.gethostname(), os.getpid(), host.machine(), run, nonce, term_asked())

    @classmethod
    def parse(cls, content: bytes) -> Self | None:
        """Return the holder that an object names; None if the object is no lease of ours."""
        try:
            value: dict[str, Any] = json.loads(content)
            held = value["held_by"]
            term = float(value["term_seconds"])
            if value["schema_version"] != SCHEMA_VERSION or not 0 <= term <= _LONGEST:
                return None
            return cls(
                *(str(held["host"]), int(held["pid"]), str(held["machine"]), str(held["run"])),
                nonce=str(value["nonce"]),
                term=term,
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return None

    def again(self, term: float | None = None) -> Self:
        """Return the holder as it renews the lease, which is never the same bytes twice."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        term = self.term if term is None else term
        return dataclasses.replace(self, renewed=now, count=self.count + 1, term=term)

    def dumps(self) -> bytes:
        """Return the content of the lease object."""
        held = {name: getattr(self, name) for name in ("host", "pid", "machine", "run")}
        value = {
            "schema_version": SCHEMA_VERSION,
            "held_by": held,
            "term_seconds": self.term,
            "renewed": self.renewed,
            "count": self.count,
            "nonce": self.nonce,
        }
        return json.dumps(value, indent=1).encode() + b"\n"

    def __str__(self) -> str:
        run = f", run {self.run}" if self.run else ""
        return f"process {self.pid} on {self.host}{run}"

    @property
    def is_gone(self) -> bool:
        """Whether it is known to have ended: it ran on this machine, which knows it no more."""
        ours = bool(self.machine) and self.machine == host.machine()
        return not self.term or (ours and not host.runs(self.pid))


def term_asked() -> float:
    """Return for how many seconds a lease of this process holds that is not renewed.

    Raises:
        UsageError: If the environment asks for what cannot be.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or _USUAL_SECONDS)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise UsageError(
            "invalid value",
            where=VARIABLE,
            expected=f"a number of seconds from {_SHORTEST:g} to {_LONGEST:g}",
            found=repr(text),
        )
    return seconds
