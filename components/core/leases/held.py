"""The leases that this process holds: whoever writes below what they guard asks here first."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Guard(Protocol):
    """What a lease does for a writer."""

    def guards(self, uri: str) -> bool:
        """Tell whether it stands for `uri`."""

    def ensure(self) -> None:
        """Raise if it may be another's by now."""


_held: list[Guard] = []


@contextmanager
def register(lease: Guard) -> Iterator[None]:
    """Have a lease asked while the block runs."""
    _held.append(lease)
    try:
        yield
    finally:
        _held.remove(lease)


def check(uri: str) -> None:
    """Raise if this process held the place of `uri`, and another may hold it by now.

    Raises:
        TransientError: If so, or if the store does not answer whether it is.
    """
    for lease in tuple(_held):
        if lease.guards(uri):
            lease.ensure()
