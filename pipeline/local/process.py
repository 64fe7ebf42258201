"""The commands that run now, each under a guard; they end when they are told to or we end."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from idxpipe.components.core import host
from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.stores.temporary import hold_folder
from idxpipe.pipeline.local import guard

# A stage saves a checkpoint after the step that is under way; a second signal does not wait.
GRACE_SECONDS = 120.0


class Stopped(Exception):  # noqa: N818
    """The run was cancelled before the command could start."""


class Processes:
    """Starts commands and can end all of them.

    Args:
        grace: Seconds that a command has to end itself.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.grace = grace
        self._pipes: set[int] = set()
        self._lock = threading.RLock()
        self.stopped = threading.Event()

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: BinaryIO,
        scratch: str,
        lock: int | None = None,
    ) -> int:
        """Run a command to its end.

        Args:
            command: Program and arguments.
            env: Its whole environment.
            log: File for what it prints.
            scratch: Folder to delete should this process be killed.
            lock: File descriptor to keep open until the command has ended.

        Returns:
            Its exit code; 128 + n if signal n ended it.

        Raises:
            Stopped: If `stop` was called before.
            SetupError: If the operating system does not start it.
        """
        theirs, ours = os.pipe()
        # Or the next run would sweep it while the command outlives us.
        held = hold_folder(scratch)
        try:
            with self._lock:
                if self.stopped.is_set():
                    raise Stopped
                guarded = [sys.executable, "-I", "-S", guard.__file__]
                process = subprocess.Popen(
                    [*guarded, str(theirs), str(self.grace), scratch, *command],
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs, held] if lock is None else [theirs, held, lock],
                    # Ctrl-C in a terminal goes to the whole foreground group.
                    start_new_session=True,
                )
                self._pipes.add(ours)
            code = process.wait()
            if code < 0:
                # A guard that was killed has ended nothing.
                host.kill_session(process.pid)
            return code if code >= 0 else 128 - code
        except OSError as error:
            raise SetupError(
                "command cannot be started", where=command[0], found=error.strerror or str(error)
            ) from None
        finally:
            with self._lock:
                self._pipes.discard(ours)
                os.close(ours)
            os.close(theirs)
            os.close(held)

    @property
    def running(self) -> bool:
        """Tell whether a command runs now."""
        return bool(self._pipes)

    def stop(self, *, kill: bool = False) -> None:
        """End all commands, and start no more: politely first, or at once."""
        with self._lock:
            if self.stopped.is_set() and not kill:
                return
            self.stopped.set()
            for pipe in self._pipes:
                os.write(pipe, guard.KILL if kill else guard.TERMINATE)
