"""Where a task's outputs go: a folder named by everything they depend on.

    ROOT/artifacts/TASK/KEY/OUTPUT     the artifacts
    ROOT/artifacts/TASK/KEY/task.json  written last: what the task reported, and which files exist
    ROOT/artifacts/TASK/KEY.lock       held while somebody works there (local roots)
    ROOT/artifacts/TASK/KEY.lease      there while somebody works there (buckets)

A folder with a task.json that still tells the truth is a finished task, and is used again. One
without is a task that was interrupted; its next attempt finds the files it left and can go on.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.integrity.sealed import seal, unseal
from idxpipe.components.core.stores.local import wait_for
from idxpipe.pipeline.local import checksums
from idxpipe.pipeline.local.identity import VERSION, Parts
from idxpipe.pipeline.local.process import Stopped
from idxpipe.pipeline.spec.artifact import Values

RECORD = "task.json"
LOCK = ".lock"
# Of task.json, from which on it has a checksum of itself; `version` is that of the keys.
SCHEMA_VERSION = 1
_WAITS = "waits for another run to do the same"
_DAMAGED = (ValueError, KeyError, TypeError, RecursionError)


class Policy(Enum):
    """What to do about an earlier result."""

    REUSE = "use it"
    REPLACE = "go on where it was interrupted, but do a finished one again"
    FRESH = "ignore it"


@dataclass(frozen=True)
class Entry:
    """A finished task.

    Attributes:
        run_id: The run that did it.
        outputs: What it reported.
        inventory: Size of each file of each artifact.
        checksums: CRC32C of files of each artifact, as `checksums.to_record` has them.
        accepted: In what it differs from what it was accepted for.
    """

    run_id: str
    outputs: Values
    inventory: Mapping[str, Mapping[str, int]]
    checksums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What there is of a task's work.

    Attributes:
        entry: The result, if it is whole.
        gone: Artifacts of a result that have changed or are not there, or not wholly.
        changed: URIs of those of them with a file that is not as it was, by name.
        begun: Whether there are files of an attempt that did not finish.
        damaged: What is as long as it was, and not the same: files of artifacts, or the record.
    """

    entry: Entry | None = None
    gone: tuple[str, ...] = ()
    changed: Mapping[str, str] = field(default_factory=dict)
    begun: bool = False
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """The right to a task's folder.

    Attributes:
        folder: Where its outputs go, or are.
        look: What there was of its work.
        entry: The result to take; None where there is work to do.
        lock: File descriptor of the lock that is held on it, if any is.
        stands_for: The folder whose damaged result the new one takes the place of, if it does.
    """

    folder: str
    look: Look
    entry: Entry | None = None
    lock: int | None = None
    stands_for: str | None = None


@contextmanager
def claim(
    root: str,
    task: str,
    name: str,
    run_id: str,
    policy: Policy,
    *,
    verify: bool = False,
    stopped: threading.Event,
    waiting: Callable[[str], None],
) -> Iterator[Claim]:
    """Yield the folder that a task's outputs go to, for as long as the work there takes.

    Args:
        root: Root of all runs.
        task: Name of the task.
        name: Its key, from `identity.key_of`.
        run_id: The run that wants to do it.
        policy: What to do about an earlier result.
        verify: Hash all of it before it is taken.
        stopped: Set when the run is cancelled while this waits for another one.
        waiting: Told who is waited for, if another run is doing the same work just now.

    Raises:
        Stopped: If `stopped` was set.
        TransientError: If the root is in a bucket that cannot be reached.
    """
    folder = folder_of(root, task, name)
    fresh = f"{folder}-{run_id}"
    if policy is Policy.FRESH:
        yield Claim(fresh, Look())
        return
    with lock(f"{folder}{LOCK}", stopped, waiting, run_id) as held:
        found = look(folder, verify=verify)
        if found.gone and held is None:
            # Another run may be at work there: without a lock nobody can tell.
            yield Claim(fresh, found, stands_for=folder)
            return
        if found.gone:
            _give_up(folder, found.changed, f"{fresh}-aside")
        if found.entry is None or policy is Policy.REUSE:
            yield Claim(folder, found, found.entry, held)
            return
    yield Claim(fresh, found)


def _give_up(folder: str, changed: Mapping[str, str], aside: str) -> None:
    """Make a finished task's folder one of a task that did not finish.

    What is there is work: a missing file is made again from the others, as from a checkpoint. What
    somebody changed is moved aside, not deleted, and is made again from nothing.

    Args:
        folder: Of a local root, locked.
        changed: URIs of the artifacts that were changed, by name.
        aside: Where they are moved to.
    """
    storage.delete(storage.join(folder, RECORD))
    for name, uri in changed.items():
        place = storage.local_path(storage.join(aside, name))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(storage.local_path(uri), place)


def folder_of(root: str, task: str, name: str) -> str:
    """Return where the results of a task lie, by its name and the key of its work."""
    return storage.join(root, "artifacts", task, name)


def look(folder: str, *, verify: bool = False) -> Look:
    """Return what there is in a task's folder.

    Args:
        folder: From `folder_of`.
        verify: Hash all of its files, not only those that are cheap to see.

    Raises:
        IdxpipeError: If a file of its artifacts cannot be read.
    """
    entry = find(folder)
    if entry is None:
        begun = storage.is_local(folder) and os.path.isdir(storage.local_path(folder))
        lost = _is_damaged(folder)
        return Look(
            begun=begun or bool(storage.list_files(folder)), damaged=(RECORD,) if lost else ()
        )
    gone, changed, rotten = [], {}, list[str]()
    for name, artifact in entry.outputs.artifacts.items():
        found, recorded = artifact.inventory(), entry.inventory.get(name, {})
        # What else lies there is somebody's own, and no harm.
        differing = [file for file, size in recorded.items() if found.get(file) != size]
        same = {file: size for file, size in recorded.items() if file not in differing}
        known = entry.checksums.get(name, {})
        damaged = checksums.damaged(name, artifact, same, known, verify=verify)
        rotten += [f"{name}/{file}".rstrip("/") for file in damaged]
        if differing or damaged:
            gone.append(name)
        if damaged or any(file in found for file in differing):
            changed[name] = artifact.uri
    return Look(gone=tuple(gone), changed=changed, damaged=tuple(rotten)) if gone else Look(entry)


def find(folder: str) -> Entry | None:
    """Return what a finished task recorded in `folder`; None when it did not finish there."""
    record = read_record(folder)
    if record is None:
        return None
    try:
        if "accepted" in record:
            # Beside it, so that a root can be moved.
            found = find(storage.join(os.path.dirname(folder), str(record["accepted"])))
            return found and replace(found, accepted=tuple(map(str, record["differences"])))
        outputs = Values.from_json(record["outputs"]).moved(record["folder"], folder)
        known = record.get("checksums", {})
        return Entry(record["run_id"], outputs, record["inventory"], known)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IdxpipeError):
        return None


def read_record(folder: str) -> dict[str, Any] | None:
    """Return the task.json in a task's folder as JSON values; None if there is none to go by."""
    try:
        return _read(folder)
    except (*_DAMAGED, IdxpipeError):
        return None


def _is_damaged(folder: str) -> bool:
    """Tell whether a finished task's record is there, but not as it was written."""
    try:
        _read(folder)
    except _DAMAGED:
        return True
    except IdxpipeError:
        return False
    return False


def _read(folder: str) -> dict[str, Any] | None:
    uri = storage.join(folder, RECORD)
    if not storage.exists(uri):
        return None
    record = unseal(storage.read_document(uri), SCHEMA_VERSION)
    newer = record.pop("schema_version", 0) > SCHEMA_VERSION
    return None if newer or record["version"] != VERSION else record


def publish(place: Claim, run_id: str, outputs: Values, parts: Parts) -> Entry:
    """Record that a task finished in its place.

    Raises:
        SetupError: If the place cannot be written.
    """
    made = outputs.artifacts
    inventory = {name: artifact.inventory() for name, artifact in made.items()}
    known = {n: checksums.to_record(artifact, inventory[n]) for n, artifact in made.items()}
    record = {
        "run_id": run_id,
        "folder": place.folder,
        "outputs": outputs.to_json(),
        "inventory": inventory,
        "checksums": known,
        "parts": parts,
    }
    _write_record(place.folder, record)
    if place.stands_for:
        # Or it would be made again in every later run.
        _refer(place.stands_for, storage.name_of(place.folder), [])
    return Entry(run_id, outputs, inventory, known)


def accept(root: str, task: str, old: str, new: str, differences: Sequence[str]) -> None:
    """Record that the result of the work `old` is as good as that of the work `new`.

    Args:
        root: Root of all runs.
        task: The task.
        old: Key of the work that was done.
        new: Key of the work that is spared.
        differences: Between the two.

    Raises:
        SetupError: If the place cannot be written.
    """
    _refer(folder_of(root, task, new), old, differences)


def _refer(folder: str, name: str, differences: Sequence[str]) -> None:
    """Record in a folder that the result is that of the folder `name` beside it."""
    _write_record(folder, {"accepted": name, "differences": list(differences)})


def _write_record(folder: str, record: Mapping[str, Any]) -> None:
    whole = {"schema_version": SCHEMA_VERSION, "version": VERSION, **record}
    storage.write(storage.join(folder, RECORD), seal(whole, indent=1))


@contextmanager
def lock(
    uri: str, stopped: threading.Event, waiting: Callable[[str], None], run_id: str = ""
) -> Iterator[int | None]:
    """Hold a lock file, or in a bucket the lease of the folder that it would be beside.

    Where there are neither, that is said, and nobody waits.

    Args:
        uri: The file, `FOLDER.lock`.
        stopped: Set when the run is cancelled meanwhile.
        waiting: Told that another process holds it, in a bucket at times, and which.
        run_id: The run that it is for.

    Yields:
        The descriptor of the file; None if none is held.

    Raises:
        Stopped: If `stopped` was set.
        TransientError: If it is held for longer than --max-wait says, or the bucket cannot be
            reached.
    """

    def pause(seconds: float) -> None:
        if stopped.wait(seconds):
            raise Stopped from None

    if not storage.is_local(uri):
        from idxpipe.components.core.leases.lease import hold

        def held_by(who: str) -> None:
            waiting(f"{_WAITS}: {who}")

        with hold(uri.removesuffix(LOCK), run=run_id, pause=pause, waiting=held_by):
            yield None
        return
    path = storage.local_path(uri)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(host.open_lock(path), "rb") as stream:
        what = f"another run that holds {path}"
        held = wait_for(stream.fileno(), path, what, pause, lambda: waiting(_WAITS))
        yield stream.fileno() if held else None
