"""Run one command in a process group of its own, and end the group when the runner is gone.

The local runner starts this file as a script, once per task, and holds the other end of a pipe.
When the runner ends, however it ends, the pipe closes, and no stage goes on writing behind the
back of the next run. The guard and the command keep open the locks that the runner took for the
task: they are held for as long as anything of it lives. On Linux the command is killed with its
guard, and a guard that is stopped goes on when its runner has died.

Usage: guard.py PIPE GRACE SCRATCH COMMAND...

Orders through the pipe: `t` or its end, SIGTERM and after GRACE seconds SIGKILL; `k`, SIGKILL now.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

TERMINATE, KILL = b"t", b"k"
CANNOT_START = 5
# Of prctl(2): which signal this process gets when its parent dies. Linux only.
_SET_SIGNAL_OF_PARENTS_DEATH = 1


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code; 128 + n if signal n ended it."""
    pipe, grace, scratch, *command = arguments
    runner, guard = os.getppid(), os.getpid()
    _on_death_of(runner, signal.SIGCONT)
    # The command is to keep the locks, which are open, but not the pipe.
    os.set_inheritable(int(pipe), False)
    try:
        child = subprocess.Popen(
            command,
            process_group=0,
            close_fds=False,
            # There is one thread yet.
            preexec_fn=lambda: _on_death_of(guard, signal.SIGKILL),  # noqa: PLW1509
        )
    except (OSError, ValueError) as error:
        print(  # noqa: T201
            f"error: {command[0]}: command cannot be started\n"
            f"  found:    {getattr(error, 'strerror', None) or error}\n"
            "  to do:    install it, or run this pipeline where its images run",
            file=sys.stderr,
        )
        return CANNOT_START
    stopping = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(int(pipe), float(grace), scratch, child.pid, stopping), daemon=True
    )
    watcher.start()
    code = child.wait()
    if stopping.is_set():
        # The shell that KFP puts around Python dies first; Python may still be cleaning up.
        watcher.join()
    _signal(child.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _on_death_of(parent: int, number: int) -> None:
    """Have this process get a signal when its parent, which is alive, dies."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_DEATH, number, 0, 0, 0)
    if number == signal.SIGKILL and os.getppid() != parent:
        # Just before.
        os._exit(128 + number)


def _watch(pipe: int, grace: float, scratch: str, group: int, stopping: threading.Event) -> None:
    order = os.read(pipe, 1)
    stopping.set()
    if order != KILL:
        _signal(group, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and _alive(group):
            if order and select.select([pipe], [], [], 0)[0]:
                break
            time.sleep(0.05)
    _signal(group, signal.SIGKILL)
    if not order:
        shutil.rmtree(scratch, ignore_errors=True)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _alive(group: int) -> bool:
    """Tell whether anything still runs in the group.

    kill(2) also finds zombies, which stay for ever where process 1 is not an init, as in a
    container. The fields are those of proc_pid_stat(5).
    """
    try:
        names = os.listdir("/proc")
    except FileNotFoundError:
        # Not on Linux; there process 1 takes zombies away.
        return _exists(group)
    for name in filter(str.isdigit, names):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stream:
            state, _, member = stream.read().rpartition(b")")[2].split()[:3]
            if int(member) == group and state not in {b"Z", b"X"}:
                return True
    return False


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
