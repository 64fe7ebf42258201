"""What Linux has and other systems say in another way, or not at all.

Only Linux is tested. On macOS the stages get by with what POSIX has.
"""

import errno
import os
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from idxpipe.components.core.errors import SetupError

_STATUS = "/proc/self/status"
_MEMORY = "/proc/meminfo"
_BOOT = "/proc/sys/kernel/random/boot_id"
_NUMBERS = "/proc/self/ns/pid"
UNLIMITED = 1 << 62


def cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def runs(process: int) -> bool:
    """Tell whether there is a process of this number, whoever's it is; a zombie counts.

    Signal 0 asks and does nothing (kill(2)): on every POSIX system, and in a container whose /proc
    is not mounted, where each process would look as if it had ended.
    """
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def machine() -> str:
    """Return what two processes share that see each other's numbers; empty if that is not known.

    Source: random(4), pid_namespaces(7).
    """
    try:
        boot = Path(_BOOT).read_text().strip()
        return f"{boot} {os.readlink(_NUMBERS)}" if boot else ""
    except OSError:
        return ""


def cache_folder(name: str) -> str | None:
    """Return a folder of this user's own for what can be made again; None if there is none.

    Source: https://specifications.freedesktop.org/basedir/.

    Args:
        name: What for.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(base, "idxpipe", name)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
    except OSError:
        return None
    # What somebody else may write there, we would believe, or run.
    return folder if status.st_uid == os.geteuid() and not status.st_mode & 0o022 else None


def kill_session(session: int) -> None:
    """Kill what still runs in a session, whatever its process groups; on Linux only.

    Source: proc_pid_stat(5) for the fields.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            member = stat.read_bytes().rpartition(b")")[2].split()[3]
            if int(member) == session:
                os.kill(int(stat.parent.name), signal.SIGKILL)


def open_lock(path: str) -> int:
    """Return a descriptor of a lock file, which is made if it is not there; never truncated.

    Raises:
        SetupError: If it is a link, which somebody may have put there to have another file written.
        OSError: As `os.open`.
    """
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError:
        # Another user's: flock(2) does not ask for the right to write.
        return os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise SetupError(
            "lock is a symbolic link", where=path, expected="a file", remedy="delete the link"
        ) from None


def umask() -> int:
    """Return the permissions that new files of this process do not get."""
    # The only way to read it is to set it; Linux also shows it, without the race.
    try:
        lines = Path(_STATUS).read_text().splitlines()
    except OSError:
        return _umask_once()
    return next((int(line.split()[1], 8) for line in lines if line.startswith("Umask:")), 0o022)


@cache
def _umask_once() -> int:
    # A file that a thread makes meanwhile is private, rather than open to all.
    found = os.umask(0o077)
    os.umask(found)
    return found


def sync_data(descriptor: int) -> None:
    """Have what was written to a file on disk, with no more of its metadata than that takes."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def allocate(descriptor: int, size: int) -> None:
    """Make a new file `size` bytes long, and take the room on disk now where the system can.

    Raises:
        OSError: If there is not that much.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def descriptor_path(descriptor: int) -> str:
    """Return a path that opens an open file of this process again."""
    return f"/{'proc/self' if sys.platform == 'linux' else 'dev'}/fd/{descriptor}"


def free_memory() -> int:
    """Return the bytes that can be allocated before the machine swaps, as far as it tells.

    Source: `MemAvailable` of proc_meminfo(5); elsewhere half of all the memory there is.
    """
    try:
        lines = Path(_MEMORY).read_text().splitlines()
    except OSError:
        return _half_of_memory()
    found = (int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    return next(found, UNLIMITED)


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError):
        return UNLIMITED
