"""The signals that ask a training to stop: a cluster's, a person's Ctrl-C, a lost terminal's."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def noticed_preemption(answer: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Keep the first such signal from ending the process inside this block; a second one kills it.

    A signal that is ignored when the block begins, as under `nohup`, stays so.

    Args:
        answer: Called at the first signal, at once, from a thread: Python's own handlers have to
            wait until the loop on the device comes back.

    Yields:
        A function that tells whether such a signal has come.
    """
    come = threading.Event()
    # Python allows handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield come.is_set
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def listen() -> None:
        # C writes the number of each signal here when it comes; a 0 is the end of the block.
        heard = False
        while (number := ord(os.read(reader, 1))) != 0:
            if number not in heeded:
                continue
            if heard:
                os._exit(128 + number)
            heard = True
            come.set()
            answer()

    def handle(number: int, frame: FrameType | None) -> None:
        come.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    earlier = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield come.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier)
        os.write(writer, b"\0")
        thread.join()
        os.close(reader)
        os.close(writer)
