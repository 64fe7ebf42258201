"""Objects that are written only if they are still what they were: what a lease is made of."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Protocol


@dataclass(frozen=True)
class Stamp:
    """An object as it was at one time.

    Attributes:
        content: What was in it.
        version: What tells this writing of it from every other.
        age: Seconds since it was written, both times by the store's own clock; 0 if it tells none.
    """

    content: bytes
    version: str
    age: float


def age(date: str | None, written: datetime) -> float:
    """Return the seconds from when an object was written to the HTTP date of an answer."""
    return (parsedate_to_datetime(date) - written).total_seconds() if date else 0.0


class Conditional(Protocol):
    """An object of a store that compares versions before it writes.

    Attributes:
        trusted: Whether it is known to do so: others may accept a condition and pass over it.
        store: What tells the server and bucket from others.
        never: A version that no object has.
    """

    store: str
    trusted: bool
    never: str

    def read(self) -> Stamp | None:
        """Return the object; None if there is none."""

    def write(self, content: bytes, version: str | None) -> str | None:
        """Write it if it still has this version, or for None if there is none.

        Returns:
            Its new version; None if the condition does not hold, and nothing was written.
        """

    def delete(self, version: str) -> None:
        """Delete it if it still has this version."""
