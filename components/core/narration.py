"""Progress for a person, on stderr; stdout is kept for data."""

import sys


def say(line: str) -> None:
    """Print one line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
