"""Where a task's outputs go: a folder named by everything they depend on.

    ROOT/artifacts/TASK/KEY/OUTPUT     the artifacts
    ROOT/artifacts/TASK/KEY/task.json  written last: what the task reported, and which files exist
    ROOT/artifacts/TASK/KEY.lock       held while somebody works there (local roots)

A folder with a task.json that still tells the truth is a finished task, and is used again. One
without is a task that was interrupted; its next attempt finds the files it left and can go on.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.train.network.own_source import source_digest
from idxpipe.pipeline.catalogue import affects_output
from idxpipe.pipeline.local import code
from idxpipe.pipeline.local.process import Stopped
from idxpipe.pipeline.spec.artifact import Values
from idxpipe.pipeline.spec.graph import Container, Task
from idxpipe.pipeline.spec.params import whole

VERSION = 1
RECORD = "task.json"
_POLL_SECONDS = 0.2


class Policy(Enum):
    """What to do about an earlier result."""

    REUSE = "use it"
    REPLACE = "go on where it was interrupted, but do a finished one again"
    FRESH = "ignore it"


@dataclass(frozen=True)
class Entry:
    """A finished task."""

    run_id: str
    outputs: Values
    inventory: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Claim:
    """The right to a task's folder; `entry` where it already holds the result."""

    folder: str
    entry: Entry | None = None
    lock: int | None = None


def key(task: Task, container: Container, inputs: Values, root: str) -> str:
    """Return the name of a task's work: equal work, equal name.

    Args:
        task: The task; neither its name nor that of its pipeline counts.
        container: Its executor.
        inputs: Its parameters, and its artifacts with their files' names and sizes.
        root: Root of all runs; what lies below it is named relative to it, so that a root can be
            moved with all that it holds.
    """
    command = [*container.command, *container.args]
    ours = code.identity(command)
    work = {
        "version": VERSION,
        "component": task.component.definition,
        "image": container.image,
        "command": command,
        "env": container.env,
        "code": ours,
        "network": _network(inputs.parameters.get("architecture", "")),
        "parameters": {
            parameter: value
            for parameter, value in inputs.parameters.items()
            if not ours["packages"] or affects_output(parameter)
        },
        "artifacts": {
            name: {
                "uri": artifact.uri,
                "type": artifact.type,
                "metadata": artifact.metadata,
                "files": inputs.artifacts[name].inventory(),
            }
            for name, artifact in inputs.moved(root, "").artifacts.items()
        },
    }
    # Numbers in metadata come back from a compiled pipeline as doubles.
    text = json.dumps(whole(work), sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _network(name: object) -> str:
    """Return a digest of the code of a user's own network, where the train stage is given one."""
    return source_digest(name) if isinstance(name, str) and ":" in name else ""


@contextmanager
def claim(
    root: str,
    task: str,
    name: str,
    run_id: str,
    policy: Policy,
    *,
    stopped: threading.Event,
    waiting: Callable[[], None],
) -> Iterator[Claim]:
    """Yield the folder that a task's outputs go to, for as long as the work there takes.

    Args:
        root: Root of all runs.
        task: Name of the task.
        name: Its `key`.
        run_id: The run that wants to do it.
        policy: What to do about an earlier result.
        stopped: Set when the run is cancelled while this waits for another one.
        waiting: Called once if another run is doing the same work just now.

    Raises:
        Stopped: If `stopped` was set.
    """
    folder = storage.join(root, "artifacts", task, name)
    fresh = f"{folder}-{run_id}"
    if policy is Policy.FRESH:
        yield Claim(fresh)
        return
    with lock(f"{folder}.lock", stopped, waiting) as held:
        entry = find(folder)
        if entry is not None and not _intact(entry):
            if held is None:
                # Another run may be at work there: without a lock nobody can tell.
                folder = fresh
            else:
                storage.delete(folder)
            entry = None
        if entry is None or policy is Policy.REUSE:
            yield Claim(folder, entry, held)
            return
    yield Claim(fresh)


def find(folder: str) -> Entry | None:
    """Return what a finished task recorded in `folder`; None when it did not finish there."""
    uri = storage.join(folder, RECORD)
    if not storage.exists(uri):
        return None
    try:
        record = json.loads(storage.read(uri))
        if record["version"] != VERSION:
            return None
        outputs = Values.from_json(record["outputs"]).moved(record["folder"], folder)
        return Entry(record["run_id"], outputs, record["inventory"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IdxpipeError):
        return None


def publish(folder: str, run_id: str, outputs: Values) -> Entry:
    """Record that a task finished in `folder`.

    Raises:
        SetupError: If the place cannot be written.
    """
    inventory = {name: artifact.inventory() for name, artifact in outputs.artifacts.items()}
    record = {
        "version": VERSION,
        "run_id": run_id,
        "folder": folder,
        "outputs": outputs.to_json(),
        "inventory": inventory,
    }
    storage.write(storage.join(folder, RECORD), json.dumps(record, indent=1).encode())
    return Entry(run_id, outputs, inventory)


def _intact(entry: Entry) -> bool:
    return all(
        artifact.inventory() == entry.inventory.get(name)
        for name, artifact in entry.outputs.artifacts.items()
    )


@contextmanager
def lock(uri: str, stopped: threading.Event, waiting: Callable[[], None]) -> Iterator[int | None]:
    """Hold a lock file; stores other than the local file system have none.

    Args:
        uri: The file.
        stopped: Set when the run is cancelled meanwhile.
        waiting: Called once if another process holds it.

    Raises:
        Stopped: If `stopped` was set.
    """
    if not storage.is_local(uri):
        yield None
        return
    path = storage.local_path(uri)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                told = True
                if stopped.wait(_POLL_SECONDS):
                    raise Stopped from None
        yield stream.fileno()
