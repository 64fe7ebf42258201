"""Files on this machine: atomic by writing beside the target and renaming."""

import fcntl
import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from idxpipe.components.core import host
from idxpipe.components.core.errors import (
    DataError,
    IdxpipeError,
    SetupError,
    TransientError,
    of_system,
)
from idxpipe.components.core.narration import awaiting, patience, say

TEMPORARY = ".tmp-"
_SYNC_BYTES = 16 << 20
_POLL_SECONDS = 0.2


class LocalStore:
    """A `Store` over the local file system."""

    def size(self, path: str) -> int | None:
        """Return the length in bytes, or None when there is no such file."""
        with _faults(path):
            return os.stat(path).st_size if os.path.isfile(path) else None

    def crc32c(self, path: str) -> int | None:
        """Return None: file systems keep no checksum."""
        return None

    def version(self, path: str) -> str | None:
        """Return which file it is, its length, and when it was last written."""
        with _faults(path):
            status = os.stat(path)
        return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"

    def read(self, path: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""
        with _faults(path, reading=True), open(path, "rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def open(self, path: str, start: int) -> BinaryIO:
        """Return a stream that reads from byte `start`."""
        with _faults(path, reading=True):
            stream = io.BufferedReader(_Reader(path))
            stream.seek(start)
            return stream

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a stream to a temporary file beside `path`; rename it there at the end."""
        with _faults(path):
            folder, name = os.path.split(os.path.abspath(path))
            os.makedirs(folder, exist_ok=True)
            handle, temporary = tempfile.mkstemp(
                prefix=f"{TEMPORARY}{os.getpid()}-", suffix=f"-{name}", dir=folder
            )
        try:
            # Unbuffered: callers write large blocks, and a second copy would cost a third.
            with os.fdopen(handle, "wb", buffering=0) as stream, _Writer(stream, path) as writer:
                # What the caller reads meanwhile is another file, whose faults are not this one's.
                yield cast(BinaryIO, writer)
            with _faults(path):
                os.chmod(temporary, 0o666 & ~host.umask())
                os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def put(self, local: str, path: str) -> None:
        """Copy the file `local` to `path`."""
        with _faults(local), self.open(local, 0) as source, self.create(path) as stream:
            shutil.copyfileobj(source, stream, 1 << 20)

    def list(self, path: str) -> dict[str, int]:
        """Return the size in bytes of every file below `path`, but not of temporary ones."""
        found = {}
        with _faults(path):
            for folder, _, names in os.walk(path):
                for name in names:
                    full = os.path.join(folder, name)
                    if not name.startswith(TEMPORARY):
                        # Another process may delete what was just listed.
                        with suppress(FileNotFoundError):
                            found[os.path.relpath(full, path)] = os.stat(full).st_size
        return found

    def folders(self, path: str) -> set[str]:
        """Return the names of the folders in `path` itself."""
        with _faults(path), suppress(FileNotFoundError, NotADirectoryError):
            return {entry.name for entry in os.scandir(path) if entry.is_dir()}
        return set()

    def delete(self, path: str) -> None:
        """Delete a file, or everything below a folder; missing ones are fine."""
        with _faults(path):
            while os.path.isdir(path) and not os.path.islink(path):
                # Another process may delete it, too, and be ahead with some of it.
                with suppress(FileNotFoundError):
                    shutil.rmtree(path)
                    return
            Path(path).unlink(missing_ok=True)

    def sweep(self, path: str) -> None:
        """Delete the temporary files that processes which no longer run left in a folder."""
        for left in Path(path).glob(f"{TEMPORARY}*"):
            process = left.name.removeprefix(TEMPORARY).partition("-")[0]
            if not (process.isdigit() and host.runs(int(process))):
                left.unlink(missing_ok=True)

    def check_access(self, path: str, *, write: bool) -> None:
        """Look at the file or folder, or where it is to be."""
        there = path
        while not os.path.lexists(there) and os.path.dirname(there) != there:
            there = os.path.dirname(there)
        if not os.access(there or ".", os.W_OK if write else os.R_OK):
            raise SetupError("no right to do this here", where=path, found=f"{there} refuses")


@contextmanager
def scratch(path: str) -> Iterator[IO[bytes]]:
    """Yield a stream to a new file of this process alone: readable at once, and never synced."""
    with _faults(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # Unbuffered, so that what was written can be read.
        with open(path, "wb", buffering=0) as stream:
            yield stream


def names_in(path: str) -> list[str]:
    """Return the names of the files in the folder `path`, sorted; none if it is missing."""
    with _faults(path), suppress(FileNotFoundError, NotADirectoryError):
        return sorted(entry.name for entry in os.scandir(path) if entry.is_file())
    return []


@contextmanager
def lock_folder(path: str) -> Iterator[None]:
    """Hold the folder `path`, which is made if need be, until the block or the process ends.

    Who has to wait is told so; where a file system has no locks, that is said, and nobody waits.
    """
    with _faults(path):
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        wait_for(descriptor, path, f"another process that works in {path}")
        yield
    finally:
        os.close(descriptor)


def wait_for(
    descriptor: int,
    path: str,
    what: str,
    pause: Callable[[float], object] = time.sleep,
    waiting: Callable[[], None] = lambda: None,
) -> bool:
    """Wait for the lock of a file; tell whether the file system has locks, and say if not.

    Args:
        descriptor: Of the file.
        path: The file, for people.
        what: What is waited for, for people.
        pause: Waits some seconds; may raise.
        waiting: Called once if another process holds it.

    Raises:
        TransientError: If it is held for longer than --max-wait says.
    """
    limit, began, told = patience(), time.monotonic(), False
    with awaiting(what):
        while True:
            try:
                if _is_free(descriptor):
                    return True
            except OSError as error:
                say(f"warning: {path} cannot be locked: {error.strerror}; run one at a time there")
                return False
            if not told:
                waiting()
            told = True
            if limit is not None and time.monotonic() - began > limit:
                raise _taken(path, limit)
            pause(_POLL_SECONDS)


def _taken(path: str, limit: float) -> TransientError:
    return TransientError(
        "another process works here",
        where=path,
        expected=f"that it ends within {limit:g} s, as --max-wait says",
        remedy="wait until it has ended (`fuser` or `lsof` tells which it is), or raise --max-wait",
    )


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Reader(io.FileIO):
    """A raw file whose faults name it: what is copied from one file to another has two."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb")
        self._path = path

    def readinto(self, buffer: Any) -> int | None:
        with _faults(self._path, reading=True):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with _faults(self._path, reading=True):
            return super().readall() or b""


class _Writer:
    """A raw file that writes all it is given, and is on disk when the block ends.

    The disk works while the caller makes the next bytes: waiting for it once, at the end, would
    double the time of a large file.
    """

    def __init__(self, stream: IO[bytes], path: str) -> None:
        self._descriptor = stream.fileno()
        self._path = path
        self._unsynced = 0
        self._syncing: Future[None] | None = None
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if failed is None:
            with _faults(self._path):
                if self._syncing:
                    self._syncing.result()
                os.fsync(self._descriptor)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        with _faults(self._path):
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
            self._unsynced += done
            if self._unsynced >= _SYNC_BYTES and (not self._syncing or self._syncing.done()):
                if self._syncing:
                    self._syncing.result()
                self._syncing = self._pool.submit(host.sync_data, self._descriptor)
                self._unsynced = 0
        return done


@contextmanager
def _faults(path: str, *, reading: bool = False) -> Iterator[None]:
    """Turn the operating system's errors into ours."""
    try:
        yield
    except IdxpipeError:
        raise
    except FileNotFoundError:
        raise DataError(
            "no such file", where=path, remedy="check the path and its spelling"
        ) from None
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise DataError(
            "path crosses a file or ends in a folder", where=path, found=error.strerror
        ) from None
    except OSError as error:
        raise of_system(error, path, reading=reading) from None
