"""What `make chaos` tried: a table of faults, how often each, and how often no harm came of it."""

import dataclasses

ROWS: list["Tally"] = []


@dataclasses.dataclass
class Tally:
    """A kind of fault.

    Attributes:
        fault: In a few words.
        tries: How often it was done.
        survived: After how many of them all was as it ought to be; a test that fails has not come
            to the rest.
    """

    fault: str
    tries: int = 0
    survived: int = 0


def tally(fault: str, tries: int = 0, survived: int = 0) -> Tally:
    """Begin a row of the table."""
    ROWS.append(Tally(fault, tries, survived))
    return ROWS[-1]


def table() -> list[str]:
    """Return the lines of the table; none if nothing was tried."""
    width = max((len(row.fault) for row in ROWS), default=0)
    lines = [f"{row.fault:<{width}}  {row.tries:>5}  {row.survived:>8}" for row in ROWS]
    return [f"{'fault':<{width}}  tries  survived", *lines] if lines else []
