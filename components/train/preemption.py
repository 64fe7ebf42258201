"""SIGTERM, which a cluster sends some seconds before it takes the machine away."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed_preemption() -> Iterator[Callable[[], bool]]:
    """Keep SIGTERM from ending the process inside this block.

    Yields:
        A function that tells whether the signal has come.
    """
    come = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        come.set()

    # Python allows handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield come.is_set
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield come.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
