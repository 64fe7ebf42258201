"""Follows a run of a service to its end: a table on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from idxpipe.components.core.errors import TransientError
from idxpipe.components.core.narration import awaiting, patience
from idxpipe.pipeline.cli.display import Changes, Stages
from idxpipe.pipeline.state import RunRecord, Status

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
        IdxpipeError: If the run cannot be read, or has not ended within --max-wait.
    """
    stream = stream or sys.stderr
    failures = 0
    limit, began = patience(), time.monotonic()
    # On a terminal a table tells.
    words = nullcontext() if stream.isatty() else awaiting("the end of the run")
    with Stages(stream) if stream.isatty() else Changes(stream) as show, words:
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
            if limit is not None and time.monotonic() - began > limit:
                raise TransientError(
                    "run has not ended yet",
                    where=seen.record.run_id,
                    expected=f"its end within {limit:g} s, as --max-wait says",
                    found=", ".join(_underway(seen.record)) or "no stage under way",
                    remedy="it runs on; `idxpipe wait` follows it again",
                )
            time.sleep(poll)


def _underway(record: RunRecord) -> list[str]:
    return [task.name for task in record.tasks.values() if task.status is Status.RUNNING]
