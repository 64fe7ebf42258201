"""A place in a bucket held by one process at a time.

An object beside the place says who holds it; it is made only if there is none, and written again
every third of its term, only if it is still what the holder wrote last. Whoever wants the place
watches the object: unchanged for its whole term by the watcher's own clock, it is taken over, again
only if it is still what was watched. No two clocks are compared. A holder that was suspended finds
out before it writes anything below the place.

Source: Gray and Cheriton, Leases: an efficient fault-tolerant mechanism for distributed file cache
consistency, SOSP 1989; https://pkg.go.dev/k8s.io/client-go/tools/leaderelection.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from idxpipe.components.core.errors import IdxpipeError, SetupError, TransientError, UsageError
from idxpipe.components.core.leases.conditional import Conditional
from idxpipe.components.core.leases.held import register
from idxpipe.components.core.leases.holder import VARIABLE, Holder
from idxpipe.components.core.leases.objects import conditional
from idxpipe.components.core.narration import (
    SECONDS_BEFORE_A_WORD,
    SECONDS_BETWEEN_WORDS,
    patience,
    say,
)
from idxpipe.components.core.printable import printable

SUFFIX = ".lease"
_POLL_SECONDS = 2.0
# Of an age: S3 tells times to the second.
_SLACK_SECONDS = 2.0

_comparing: set[str] = set()
_told: set[tuple[str, str]] = set()


def place_of(uri: str) -> str:
    """Return where the lease of a folder lies: beside it, or in a bucket that is one, in it."""
    kind, _, path = uri.partition("://")
    path = path.rstrip("/")
    return f"{kind}://{path}{'' if '/' in path else '/'}{SUFFIX}"


@contextmanager
def hold(
    uri: str,
    *others: str,
    run: str = "",
    pause: Callable[[float], object] = time.sleep,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the folder `uri` of a bucket until the block ends, waiting for others.

    Where the store has no conditions, or a lease cannot be written, that is said, and nobody waits.

    Args:
        uri: The folder.
        others: Folders that whoever holds that one writes, too.
        run: The run that this is for.
        pause: Waits some seconds; may raise.
        waiting: Told after some seconds, and then at times, who is waited for; says it by default.

    Raises:
        TransientError: If the store cannot be reached.
        UsageError: If the environment asks for a term that cannot be.
    """
    holder = Holder.here(run)
    try:
        lease = _take(uri, others, holder, _Wait(uri, pause, waiting or _sayer(uri)))
    except (SetupError, UsageError) as error:
        _go_alone(uri, error.problem)
        lease = None
    if lease is None:
        yield
        return
    with lease, register(lease):
        yield


def is_live(place: str) -> bool | None:
    """Tell whether somebody renews the lease at `place`.

    Returns:
        None if that cannot be told: there is none, or it is no lease, or the store has no clock.

    Raises:
        IdxpipeError: If it cannot be read.
    """
    there = conditional(place)
    found = there.read() if there else None
    holder = Holder.parse(found.content) if found else None
    if not found or not holder:
        return None
    return not holder.is_gone and found.age <= holder.term + _SLACK_SECONDS


def sweep(place: str) -> None:
    """Delete the lease at `place` if nobody renews it.

    Raises:
        IdxpipeError: If it cannot be read or deleted.
    """
    there = conditional(place)
    found = there.read() if there else None
    if there and found and is_live(place) is False:
        there.delete(found.version)


class Lease:
    """A lease that this process has taken, and renews as long as the context lasts.

    Args:
        uri: The folder.
        others: Folders that it stands for, too.
        there: The object.
        holder: What was written there.
        version: The object's, when that was written.
        renewed: When that was begun, by `_clock`.
    """

    def __init__(
        self,
        uri: str,
        others: Sequence[str],
        there: Conditional,
        holder: Holder,
        version: str,
        renewed: float,
    ) -> None:
        self._folders = tuple(f"{folder.rstrip('/')}/" for folder in (uri, *others))
        self._uri = uri
        self._there = there
        self._holder = holder
        self._version = version
        self._renewed = renewed
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._lost: IdxpipeError | None = None
        self._alone = False
        self._thread = threading.Thread(target=self._beat, name=f"lease of {uri}", daemon=True)

    def guards(self, uri: str) -> bool:
        """Tell whether it stands for `uri`."""
        return f"{uri}/".startswith(self._folders)

    def ensure(self) -> None:
        """Find out whether it is still held; for half its term after that nobody else can have it.

        Raises:
            TransientError: If another process took it, or the store does not answer.
        """
        # A process that was forked renews nothing; its parent finds out.
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._lost is None and self._is_due():
                self._renew()
            if self._lost is not None:
                raise self._lost

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if os.getpid() != self._process:
            return
        with self._lock, suppress(TransientError):
            # Not every server heeds the condition of a deletion.
            if self._lost is None and self._is_due():
                self._renew()
            if self._lost is None and not self._alone:
                self._give_back()

    def _beat(self) -> None:
        while not self._ended.wait(self._holder.term / 3):
            # The store may answer next time; until it does, `ensure` lets nobody write.
            with self._lock, suppress(TransientError):
                if self._lost is not None or self._ended.is_set():
                    return
                self._renew()
                if self._lost is not None:
                    say(f"warning: {self._lost.where}: {self._lost.problem}")

    def _is_due(self) -> bool:
        return _clock() - self._renewed >= self._holder.term / 2

    def _renew(self) -> None:
        """Write it again, or find that it is another's."""
        if self._alone:
            return
        try:
            self._write(self._holder.again())
        except (SetupError, UsageError) as error:
            self._alone = True
            _go_alone(self._uri, error.problem)

    def _write(self, holder: Holder) -> None:
        while True:
            began = _clock()
            version = self._there.write(holder.dumps(), self._version)
            if version is not None:
                self._holder, self._version, self._renewed = holder, version, began
                return
            found = self._there.read()
            other = Holder.parse(found.content) if found else None
            if not found or not other or other.nonce != holder.nonce:
                self._lost = _lost(self._uri, other)
                return
            # Ours: what was written arrived, and the answer did not.
            self._version = found.version

    def _give_back(self) -> None:
        try:
            self._there.delete(self._version)
        except (SetupError, UsageError):
            # Some servers know no condition of a deletion.
            with suppress(SetupError, UsageError):
                self._there.write(self._holder.again(term=0).dumps(), self._version)


def _take(uri: str, others: Sequence[str], holder: Holder, wait: "_Wait") -> Lease | None:
    """Return the lease of a folder as soon as it can be had; None where leases are not to be had.

    Raises:
        SetupError, UsageError: If it cannot be written.
        TransientError: If the store cannot be reached.
    """
    there = conditional(place_of(uri))
    if there is None:
        _go_alone(uri, "this kind of storage compares no versions")
        return None
    version = replaced = None
    while version is None:
        began, holder = _clock(), holder.again()
        version = there.write(holder.dumps(), replaced)
        if version is None:
            replaced = wait.until_free(there, holder)
    if not _compares(there, holder):
        there.delete(version)
        _go_alone(uri, "this server compares no versions")
        return None
    return Lease(uri, others, there, holder, version, began)


def _compares(there: Conditional, holder: Holder) -> bool:
    """Tell whether a store refuses to write what is there, and what is another version."""
    if there.trusted or there.store in _comparing:
        return True
    if any(there.write(holder.dumps(), version) for version in (None, there.never)):
        return False
    _comparing.add(there.store)
    return True


class _Wait:
    """Waits until a lease is given back, or no longer renewed.

    Args:
        uri: The folder.
        pause: Waits some seconds; may raise.
        say: Told after some seconds, and then at times, who is waited for.
    """

    def __init__(
        self, uri: str, pause: Callable[[float], object], say: Callable[[str], None]
    ) -> None:
        self._uri, self._pause, self._say = uri, pause, say
        self._began = _clock()
        self._told = self._began - SECONDS_BETWEEN_WORDS + SECONDS_BEFORE_A_WORD

    def until_free(self, there: Conditional, holder: Holder) -> str | None:
        """Return the version that may be replaced; None if there is nothing to replace any more.

        Raises:
            SetupError: If the object is no lease.
            TransientError: If it is held for longer than --max-wait says.
        """
        limit = patience()
        watched, since = "", 0.0
        while found := there.read():
            other = Holder.parse(found.content)
            if other is None:
                raise SetupError(f"{place_of(self._uri)} is no lease")
            if found.version != watched:
                watched, since = found.version, _clock()
            if other.nonce == holder.nonce:
                # The answer to what was written did not arrive.
                return watched
            if other.is_gone or _clock() - since >= other.term:
                if other.term:
                    say(f"{self._uri}: the lease of {printable(str(other))} is no longer renewed")
                return watched
            self._tell(other)
            if limit is not None and _clock() - self._began > limit:
                raise TransientError(
                    "another process works here",
                    where=self._uri,
                    expected=f"that it ends within {limit:g} s, as --max-wait says",
                    found=printable(str(other)),
                    remedy="wait until it has ended, or raise --max-wait",
                )
            self._pause(min(_POLL_SECONDS, other.term / 5))
        return None

    def _tell(self, other: Holder) -> None:
        if _clock() - self._told < SECONDS_BETWEEN_WORDS:
            return
        self._told = _clock()
        waited = round(self._told - self._began)
        self._say(f"{printable(str(other))}, {waited} s so far")


def _sayer(uri: str) -> Callable[[str], None]:
    return lambda who: say(f"waiting for another process that works in {uri}: {who}")


def _go_alone(uri: str, why: str) -> None:
    kind, _, path = uri.partition("://")
    bucket = f"{kind}://{path.partition('/')[0]}"
    if (bucket, why) not in _told:
        _told.add((bucket, why))
        say(
            f"warning: {printable(uri)} cannot be leased: {printable(why)}; run one at a time there"
        )


def _lost(uri: str, other: Holder | None) -> TransientError:
    return TransientError(
        "another process has taken this place over",
        where=uri,
        expected="a lease that this process renewed in time",
        found="none" if other is None else f"that of {printable(str(other))}",
        remedy="run the same command again: it waits for the other one, and goes on from what that "
        f"has made; {VARIABLE}=600 lets processes of yours be suspended for up to ten minutes",
    )


def _clock() -> float:
    """Return seconds that also pass while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
