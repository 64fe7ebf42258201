"""Words for a person, on stderr; stdout is kept for data. No wait is without one."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

SECONDS_BEFORE_A_WORD = 3.0
SECONDS_BETWEEN_WORDS = 30.0
INTERRUPTED = 130
# In the environment, so that the stages of a run know it, too.
PATIENCE_VARIABLE = "IDXPIPE_MAX_WAIT"
_TICK_SECONDS = 0.2
# What is waited for when Ctrl-C comes has so long to notice.
_SECONDS_TO_END = 0.7

_silences: list[None] = []
_streams: list[TextIO] = []


def say(line: str) -> None:
    """Print one line, unless nothing is to be said."""
    if not _silences:
        tell(line)


def tell(line: str) -> None:
    """Print one line in any case, such as an error; it is no failure if nobody can take it."""
    stream = stderr()
    try:
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        give_up(stream)


def stderr() -> TextIO:
    """Return the stream that words go to, also while descriptor 2 is turned aside."""
    return _streams[-1] if _streams else sys.stderr


@contextmanager
def speaking_through(descriptor: int) -> Iterator[None]:
    """Send words, but nothing that others write to `sys.stderr`, to a descriptor."""
    encoding, errors = sys.stderr.encoding, "backslashreplace"
    with open(descriptor, "w", closefd=False, encoding=encoding, errors=errors) as stream:
        _streams.append(stream)
        try:
            yield
        finally:
            _streams.pop()


def give_up(stream: TextIO) -> None:
    """Let what is still written to a stream go nowhere: Python tries once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def silence() -> Iterator[None]:
    """Say nothing while the block runs; errors are raised, not said."""
    _silences.append(None)
    try:
        yield
    finally:
        _silences.pop()


class _Wait:
    """Something that is waited for, by some thread."""

    def __init__(self, what: str, limit: float | None, give_up: Callable[[], None]) -> None:
        self.what = what
        self.began = time.monotonic()
        self.limit = limit
        self.give_up = give_up


# A thread looks at them while there are any.
_waits: list[_Wait] = []
_told: dict[str, float] = {}
_lock = threading.Lock()
_watching: list[int] = []
# Is never set: a wait for it cannot be hurried by whoever replaces `time.sleep`.
_never = threading.Event()


def patience(usual: float | None = None) -> float | None:
    """Return the seconds that something is waited for at most, by --max-wait or the environment.

    Args:
        usual: Without either.
    """
    try:
        return float(os.environ[PATIENCE_VARIABLE])
    except (KeyError, ValueError):
        return usual


@contextmanager
def awaiting(
    what: str, limit: float | None = None, give_up: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Say what is waited for, once the block takes longer than a moment, and then now and again.

    Args:
        what: What it is; several waits for the same are told once.
        limit: Seconds after which `give_up` is called.
        give_up: Has the block end, from another thread.
    """
    wait = _Wait(what, limit, give_up)
    with _lock:
        _waits.append(wait)
        if _watching[-1:] != [os.getpid()]:
            _watching.append(os.getpid())
            threading.Thread(target=_watch, daemon=True).start()
    try:
        yield
    finally:
        with _lock:
            _waits.remove(wait)


def _watch() -> None:
    idle_since = time.monotonic()
    while True:
        _never.wait(_TICK_SECONDS)
        now = time.monotonic()
        with _lock:
            if _waits:
                idle_since = now
            elif now - idle_since > SECONDS_BEFORE_A_WORD:
                _watching.clear()
                _told.clear()
                return
            found = list(_waits)
        for wait in found:
            _look_at(wait, now)


def _look_at(wait: _Wait, now: float) -> None:
    waited = now - wait.began
    if waited >= SECONDS_BEFORE_A_WORD and (
        now - _told.get(wait.what, -SECONDS_BETWEEN_WORDS) >= SECONDS_BETWEEN_WORDS
    ):
        _told[wait.what] = now
        say(f"waiting for {wait.what}, {waited:.0f} s so far")
    if wait.limit is not None and waited >= wait.limit:
        # Again and again: a library may try once more.
        with suppress(Exception):
            wait.give_up()


@contextmanager
def ending_on_interrupt() -> Iterator[None]:
    """Have Ctrl-C end this process within a second, though threads of it wait for a dead server.

    What it has begun to do then, such as to cancel a job, it is left to end.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        end_waits()
        signal.default_int_handler(number, frame)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def end_waits() -> None:
    """End this process shortly, if it then still waits for what it waits for now."""
    began = time.monotonic()
    threading.Thread(target=_end_if_waiting, args=(began,), daemon=True).start()


def _end_if_waiting(interrupted: float) -> None:
    time.sleep(_SECONDS_TO_END)
    if any(wait.began < interrupted for wait in list(_waits)):
        tell("interrupted")
        os._exit(INTERRUPTED)
