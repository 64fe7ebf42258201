"""Why a run stopped: the stage's own words, where its log is, and how to go on from there."""

import json
import os
import shlex
import signal
from collections.abc import Callable
from contextlib import suppress

from idxpipe.components.core.errors import FAMILY, PREFIX, IdxpipeError, SetupError
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord

TAIL_BYTES = 64 << 10
TAIL_LINES = 10
_LAST_SIGNAL = 64
_KILLED = 128 + signal.SIGKILL
_MEMORY = "give it more memory, or lower --jobs, batch_size, eval_batch_size or memory_bytes"


class CancelledError(IdxpipeError):
    """A run that was ended from outside; the exit code is a shell's for Ctrl-C."""

    exit_code = 128 + signal.SIGINT


def explain(exit_code: int, log: str, stated: str | None = None) -> str:
    """Return why a task failed.

    Args:
        exit_code: Of its process; 128 + n if signal n ended it.
        log: Local path of what it printed.
        stated: As `said` has it.

    Returns:
        What `said` returns. For a crash without that, the end of the log.
    """
    block = said(log, stated)
    if block:
        return block
    lines = _tail(log)
    shown = [f"  | {line}" for line in lines if line.strip()][-TAIL_LINES:]
    ending = "; its log ends:" if shown else ""
    remedy = [_line("to do", _MEMORY)] if exit_code == _KILLED else []
    return "\n".join([f"stage {_how(exit_code)}{ending}", *shown, *remedy])


def said(log: str, stated: str | None = None) -> str | None:
    """Return the error that a stage ended in, without the prefix; None without one.

    Args:
        log: Local path of what it printed. The last block in it that begins with `error: ` is the
            error of a stage that is not ours.
        stated: Local path where a stage of ours, by `errors.exit_on_error`, states its error. Its
            log is not asked: it has file names and the words of libraries, too.
    """
    if stated:
        with suppress(OSError, ValueError, KeyError, TypeError), open(stated) as stream:
            return str(json.load(stream)["text"])
        return None
    lines = _tail(log)
    starts = [i for i, line in enumerate(lines) if line.startswith(PREFIX)]
    if not starts:
        return None
    block = [lines[starts[-1]].removeprefix(PREFIX)]
    for line in lines[starts[-1] + 1 :]:
        if not line.startswith("  "):
            break
        block.append(line)
    return "\n".join(block)


def error_of(
    record: RunRecord, go_on: Callable[[RunRecord, str | None], str] | None = None
) -> IdxpipeError | None:
    """Return the error that a run ended in, to raise; None for a run that succeeded.

    Its class, and so the exit code, is that of the stage that failed first.

    Args:
        record: The run.
        go_on: Returns the command that goes on after it; by default that of the local runner.
    """
    go_on = go_on or command
    failed = [task for task in record.tasks.values() if task.status is Status.FAILED]
    if failed:
        first, *others = sorted(failed, key=lambda task: task.ended or "")
        lines = [first.error or "failed"]
        lines += [_line("log", first.log)] if first.log else []
        lines += [_line("also", f"{task.name} failed: {_reason(task)}") for task in others]
        lines.append(_line("go on", go_on(record, None)))
        code = first.exit_code or 1
        # The system ends what takes more memory than there is: the environment's fault, not ours.
        error = SetupError if code == _KILLED else FAMILY.get(code, IdxpipeError)
        return error("\n".join(lines), where=first.name)
    if record.status is Status.CANCELLED:
        stopped = [t for t in record.tasks.values() if t.status is Status.CANCELLED and t.error]
        lines = ["run was cancelled"]
        lines += [_line("stopped", f"{t.name}: {str(t.error).splitlines()[0]}") for t in stopped]
        lines.append(_line("go on", go_on(record, None)))
        return CancelledError("\n".join(lines), where=record.run_id)
    return None


def command(record: RunRecord, stage: str | None = None) -> str:
    """Return the shell command that goes on after `record`.

    Args:
        record: The run.
        stage: Where to go on; without it, where it stopped.
    """
    if stage is None:
        return shlex.join(["idxpipe", "resume", record.run_id, "--root", record.root])
    words = ["idxpipe", "run", "--root", record.root, "--from", stage, "--run", record.run_id]
    return shlex.join(words)


def stopped_at(record: RunRecord) -> str:
    """Return the first task that failed or did not finish; the first one if all did.

    Where an artifact could not be imported from an earlier run, it is the stage that made it: the
    importer is no part of the whole pipeline, which is what a rerun is cut from.
    """
    tasks = list(record.tasks.values())
    failed = [task for task in tasks if task.status is Status.FAILED]
    lost = {task.inputs.parameters.get("uri") for task in failed if task.kind == "importer"}
    makers = [
        task
        for task in tasks
        if task.kind == "container" and lost & {a.uri for a in task.outputs.artifacts.values()}
    ]
    unfinished = [task for task in tasks if not task.status.finished]
    return (makers + failed + unfinished + tasks)[0].name


def _reason(task: TaskRecord) -> str:
    return task.log or (task.error or "without saying why").partition("\n")[0]


def _line(label: str, value: str) -> str:
    return f"  {label + ':':<10}{value}"


def _how(exit_code: int) -> str:
    # Linux has signals up to 64: a program that ends with 255 was killed by none.
    if not 128 < exit_code <= 128 + _LAST_SIGNAL:
        return f"ended with exit code {exit_code}, without saying why"
    try:
        name = signal.Signals(exit_code - 128).name
    except ValueError:
        name = f"signal {exit_code - 128}"
    memory = ", often for want of memory" if exit_code == _KILLED else ""
    return f"was killed ({name}{memory})"


def _tail(path: str) -> list[str]:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
            return stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
