"""Temporary folders that outlive no process: the next one sweeps what killed ones left."""

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PREFIX = "idxpipe-"
# Ends the words of a name, and tells these folders from those of versions that held none.
_END = "."
_swept: set[str] = set()


@contextmanager
def temporary_folder(what: str) -> Iterator[str]:
    """Yield a new folder in TMPDIR; it goes at the end.

    Args:
        what: What it is for, which its name tells.
    """
    folder, held = make_folder(what)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def make_folder(what: str) -> tuple[str, int]:
    """Return a new folder in TMPDIR, and the descriptor that holds it until it is closed."""
    base = tempfile.gettempdir()
    if base not in _swept:
        _swept.add(base)
        _sweep(base)
    while True:
        folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{what}{_END}", dir=base)
        # Another process may sweep it before it is held.
        with suppress(FileNotFoundError):
            held = hold_folder(folder)
            if os.path.isdir(folder):
                return folder, held
            os.close(held)


def hold_folder(folder: str) -> int:
    """Return a descriptor that keeps a folder from being swept, in whatever process it is open."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    # Where there are no locks, nothing is swept either.
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return held


def _sweep(base: str) -> None:
    """Delete the folders that no process holds."""
    for left in glob.glob(os.path.join(glob.escape(base), f"{_PREFIX}*{_END}*")):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
            finally:
                os.close(descriptor)
