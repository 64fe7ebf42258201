"""Follows a run of a service to its end: a table on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from idxpipe.components.core.errors import TransientError
from idxpipe.pipeline.cli.display import Changes, Stages
from idxpipe.pipeline.state import RunRecord

PATIENCE = 10
"""How many times in a row the service may be out of reach; a run can take hours."""

T = TypeVar("T")


@dataclass(frozen=True)
class Look(Generic[T]):
    """What there was to see of a run.

    Attributes:
        found: What the service answered.
        record: The same as a record.
        ended: Whether it will not change any more.
    """

    found: T
    record: RunRecord
    ended: bool


def follow(look: Callable[[], Look[T]], poll: float, stream: TextIO | None = None) -> Look[T]:
    """Return what there is to see of a run when it has ended.

    Args:
        look: Looks at it.
        poll: Seconds between two looks.
        stream: Where to show how far it is; by default stderr.

    Raises:
        IdxpipeError: If the run cannot be read.
    """
    stream = stream or sys.stderr
    failures = 0
    with Stages(stream) if stream.isatty() else Changes(stream) as show:
        while True:
            try:
                seen = look()
                failures = 0
            except TransientError:
                failures += 1
                if failures > PATIENCE:
                    raise
                time.sleep(poll)
                continue
            show(seen.record)
            if seen.ended:
                return seen
            time.sleep(poll)
