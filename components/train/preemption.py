"""The signals that ask a training to stop: a cluster's SIGTERM, a person's Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def noticed_preemption() -> Iterator[Callable[[], bool]]:
    """Keep SIGTERM, and the first Ctrl-C, from ending the process inside this block.

    Yields:
        A function that tells whether such a signal has come.
    """
    come = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and come.is_set():
            raise KeyboardInterrupt
        come.set()

    # Python allows handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield come.is_set
        return
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield come.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
