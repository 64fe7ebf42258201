"""The record of a run, kept beside what it logged.

    ROOT/runs/RUN_ID/run.json        this record, written whole after every change
    ROOT/runs/RUN_ID/pipeline.yaml   the very file that ran
    ROOT/runs/RUN_ID/whole.yaml      the file it was cut from, for a run of only some stages
    ROOT/runs/RUN_ID/logs/TASK.log   what a task printed
    ROOT/runs/RUN_ID/parts/TASK.json what its work depended on
    ROOT/runs/RUN_ID/lock            held while the run is alive (local roots)
    ROOT/runs/RUN_ID/heartbeat       written again and again while it is (buckets)

ROOT is a local folder or a prefix in a bucket.
"""

import datetime
import fcntl
import itertools
import math
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import DataError, IdxpipeError, UsageError
from idxpipe.components.core.integrity.sealed import seal, unseal
from idxpipe.pipeline.spec.artifact import Values

if TYPE_CHECKING:
    from idxpipe.pipeline.spec.graph import Pipeline

SCHEMA_VERSION = 3
# Older records have no checksum of themselves.
_SEALED_SINCE = 3
LATEST = "latest"
HEARTBEAT = "heartbeat"
DAMAGED = "record of this run is damaged"


class Status(StrEnum):
    """How far a task or a run is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CACHED = "cached"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Tell whether there are outputs to use."""
        return self in {Status.SUCCEEDED, Status.CACHED}


@dataclass(frozen=True)
class TaskRecord:
    """One task of a run. Times are ISO 8601 in UTC."""

    name: str
    title: str = ""
    kind: str = "container"
    status: Status = Status.PENDING
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    key: str | None = None
    folder: str | None = None
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)
    exit_code: int | None = None
    error: str | None = None
    log: str | None = None
    cached_from: str | None = None
    attempts: int = 1
    reasons: tuple[str, ...] = ()
    events: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values; `events` is a file of the process that runs."""
        values = {"inputs": self.inputs.to_json(), "outputs": self.outputs.to_json()}
        kept = {name: value for name, value in self.__dict__.items() if name != "events"}
        return {**kept, "status": str(self.status), "reasons": list(self.reasons), **values}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: If it is something else.
        """
        return cls(
            **{
                **value,
                "status": Status(value["status"]),
                "reasons": tuple(map(str, value.get("reasons", ()))),
                "inputs": Values.from_json(value["inputs"]),
                "outputs": Values.from_json(value["outputs"]),
            }
        )

    def moved(self, before: str, after: str) -> Self:
        """Return the record as it reads when the root `before` has become `after`."""
        if before == after:
            return self
        return replace(
            self,
            inputs=self.inputs.moved(before, after),
            outputs=self.outputs.moved(before, after),
        )


Progress = Callable[[TaskRecord, str], None]


def silent(task: TaskRecord, note: str) -> None:
    """Show nothing."""


def duration(seconds: float | None) -> str:
    """Return a time for a person: `3.4 s`, `2 min 05 s`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True)
class RunRecord:
    """A run: which pipeline with which parameters, and how far each task is.

    `digest` is the SHA-256 of its pipeline.yaml, `whole` that of its whole.yaml, if it has one.
    """

    run_id: str
    root: str
    pipeline: str
    digest: str
    parameters: Mapping[str, Any]
    status: Status = Status.RUNNING
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    earlier: str | None = None
    whole: str | None = None
    tasks: Mapping[str, TaskRecord] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Return the URI of the run's folder."""
        return run_folder(self.root, self.run_id)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, with its schema version."""
        tasks = {name: task.to_json() for name, task in self.tasks.items()}
        return {
            "schema_version": SCHEMA_VERSION,
            **self.__dict__,
            "status": str(self.status),
            "parameters": dict(self.parameters),
            "tasks": tasks,
        }


@dataclass(frozen=True)
class Earlier:
    """A run, and the whole pipeline that it is a run of: what a rerun is cut from."""

    record: RunRecord
    whole: "Pipeline"

    def continued(self, record: RunRecord) -> "Earlier":
        """Return a rerun of this run, with all that this one finished: a rerun of it needs that.

        Args:
            record: The rerun, whose pipeline is only a part of the whole.
        """
        before = {
            name: replace(
                task,
                status=Status.CACHED,
                cached_from=task.cached_from or self.record.run_id,
            )
            for name, task in self.record.tasks.items()
            if task.status.finished and task.kind == "container"
        }
        return Earlier(replace(record, tasks={**before, **record.tasks}), self.whole)


class Ledger:
    """A run's record while it runs: every change is on disk before the next step.

    Used as a context, which marks the run as alive.
    """

    def __init__(self, record: RunRecord, files: Mapping[str, bytes]) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._alive: int | None = None
        self._heart = nullcontext() if storage.is_local(record.folder) else _heartbeat(record)
        for name, content in files.items():
            storage.write(storage.join(record.folder, name), content)

    @property
    def record(self) -> RunRecord:
        """Return the record as it is now."""
        return self._record

    def put(self, task: TaskRecord) -> None:
        """Replace one task's record."""
        with self._lock:
            self._save(replace(self._record, tasks={**self._record.tasks, task.name: task}))

    def close(self, status: Status, seconds: float) -> RunRecord:
        """Record how the run ended, and return the record."""
        with self._lock:
            self._save(replace(self._record, status=status, ended=now(), seconds=seconds))
            return self._record

    def _save(self, record: RunRecord) -> None:
        self._record = record
        content = seal(record.to_json(), indent=1)
        storage.write(storage.join(record.folder, "run.json"), content)

    def __enter__(self) -> Self:
        if storage.is_local(self._record.folder):
            folder = storage.local_path(self._record.folder)
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, "lock")
            self._alive = host.open_lock(path)
            # Where the file system has no locks, who looks cannot tell.
            with suppress(OSError):
                fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._save(self._record)
        self._heart.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heart.__exit__(kind, error, trace)
        if self._alive is not None:
            os.close(self._alive)


def _heartbeat(record: RunRecord) -> AbstractContextManager[object]:
    from idxpipe.components.core.leases.heartbeat import Heartbeat

    return Heartbeat(storage.join(record.folder, HEARTBEAT), record.run_id)


def now() -> str:
    """Return the time, in UTC, as ISO 8601 to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def new_run_id() -> str:
    """Return an id that no other run has; ids sort by time."""
    time = datetime.datetime.now(datetime.UTC)
    return f"{time:%Y%m%d-%H%M%S}{time.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def absolute(root: str) -> str:
    """Return `root` as a URI that means the same from everywhere.

    Raises:
        UsageError: If it is none.
    """
    if not root.strip():
        raise UsageError("invalid value", where="root", expected="a folder or a URI", found="''")
    if storage.is_local(root):
        return os.path.abspath(storage.local_path(root))
    return root.rstrip("/")


def run_folder(root: str, run_id: str) -> str:
    """Return the URI of a run's folder."""
    return storage.join(root, "runs", run_id)


def run_ids(root: str) -> list[str]:
    """Return the ids of the runs under `root`, oldest first."""
    folder = storage.join(absolute(root), "runs")
    if storage.is_local(folder):
        path = storage.local_path(folder)
        # Not the logs of each.
        names = os.listdir(path) if os.path.isdir(path) else []
        return sorted(n for n in names if os.path.exists(os.path.join(path, n, "run.json")))
    # Not the logs of each, either: one request for a thousand runs.
    return storage.list_folders(folder)


def find(root: str, run_id: str = LATEST) -> RunRecord:
    """Return a run by its id, by the beginning of it, or `latest`; `latest~1` is the one before it.

    Raises:
        UsageError: If there is no such run, or more than one.
        DataError: If its record is damaged or of a newer version.
    """
    known = run_ids(root)
    if not known:
        raise UsageError("no run is recorded here", where=absolute(root), remedy="idxpipe run")
    before = re.fullmatch(rf"{LATEST}(?:~(\d{{1,6}}))?", run_id)
    if before:
        count = int(before[1] or 0)
        matches = list(itertools.islice(_recorded(root, known), count, count + 1))
    else:
        matches = [i for i in known if i.startswith(run_id)]
    if run_id in known:
        matches = [run_id]
    if len(matches) != 1:
        raise UsageError(
            "no such run" if not matches else "more than one run is meant",
            where=absolute(root),
            expected="one of " + _some(matches or known),
            found=run_id,
        )
    return load(root, matches[0])


def _recorded(root: str, known: list[str]) -> Iterator[str]:
    """Yield the runs that have a record, the newest first: in a bucket some may only begin."""
    for run_id in reversed(known):
        if storage.is_local(root) or storage.exists(
            storage.join(run_folder(root, run_id), "run.json")
        ):
            yield run_id


def load(root: str, run_id: str) -> RunRecord:
    """Read the record of a run. One whose process was killed is shown as cancelled.

    Raises:
        DataError: If there is none, or it is damaged or of a newer version.
    """
    root = absolute(root)
    with _damage_of(_uri(root, run_id)) as uri:
        return _settled(parse(_values(uri), root))


def read(root: str, run_id: str) -> dict[str, Any]:
    """Read the record of a run as JSON values, which `parse` understands: a part of the work.

    Raises:
        DataError: If there is none, or it is damaged or of a newer version.
    """
    root = absolute(root)
    with _damage_of(_uri(root, run_id)) as uri:
        value = _values(uri)
        # Whoever was killed could not say so.
        running = value["status"] == Status.RUNNING
        return _settled(parse(value, root)).to_json() if running else value


def _uri(root: str, run_id: str) -> str:
    return storage.join(run_folder(root, run_id), "run.json")


@contextmanager
def _damage_of(uri: str) -> Iterator[str]:
    try:
        yield uri
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            DAMAGED,
            where=uri,
            found=f"{type(error).__name__}: {error}",
            remedy="delete the run's folder, or choose another run",
        ) from None


def _values(uri: str) -> dict[str, Any]:
    value = unseal(storage.read_document(uri), _SEALED_SINCE)
    check_version(value, uri)
    return value


def check_version(value: Mapping[str, Any], uri: str = "") -> None:
    """Refuse a record, as JSON values, that a newer version wrote.

    Raises:
        DataError: If it is one.
        KeyError: If it has no version.
    """
    version = value["schema_version"]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(
            "record of this run was written by a newer idxpipe",
            where=uri,
            expected=f"schema version {SCHEMA_VERSION} or older",
            found=version,
            remedy="upgrade idxpipe, or choose another run",
        )


def parse(value: Mapping[str, Any], root: str) -> RunRecord:
    """Return the record that `to_json` made.

    Args:
        value: JSON values.
        root: Where the run's root is now; it may have been moved since.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: If it is something else.
    """
    kept = {name: item for name, item in value.items() if name != "schema_version"}
    before = str(kept["root"])
    tasks = {
        name: TaskRecord.from_json(task).moved(before, root) for name, task in kept["tasks"].items()
    }
    record = RunRecord(**{**kept, "status": Status(kept["status"]), "tasks": tasks, "root": root})
    _check_types(record)
    for task in record.tasks.values():
        _check_types(task)
    return record


_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_WHOLE_OR_NONE = (int, type(None))
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("run_id", "root", "pipeline", "digest", "name", "title", "kind"), _TEXT),
    **dict.fromkeys(("started", "ended", "earlier", "whole", "key", "folder"), _TEXT_OR_NONE),
    **dict.fromkeys(("error", "log", "cached_from", "events"), _TEXT_OR_NONE),
    "exit_code": _WHOLE_OR_NONE,
    "attempts": (int,),
    "parameters": (dict,),
}


def _check_types(record: RunRecord | TaskRecord) -> None:
    """Check what the rest relies on: a checksum that fits says only who wrote a record.

    Raises:
        ValueError: Naming the first value that cannot be.
    """
    for name, value in record.__dict__.items():
        usual = _TYPES.get(name)
        if usual and (not isinstance(value, usual) or isinstance(value, bool)):
            raise ValueError(f"{name}: {value!r}")
    if record.seconds is not None and not is_number(record.seconds):
        raise ValueError(f"seconds: {record.seconds!r}")


def is_number(value: object) -> bool:
    """Tell whether a JSON value is a number that can be counted with: not NaN, nor beyond all."""
    try:
        return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:
        return False


def _is_dead(record: RunRecord) -> bool:
    if not storage.is_local(record.folder):
        from idxpipe.components.core.leases.lease import is_live

        with suppress(IdxpipeError):
            return is_live(storage.join(record.folder, HEARTBEAT)) is False
        return False
    path = os.path.join(storage.local_path(record.folder), "lock")
    if not os.path.exists(path):
        return False
    with open(host.open_lock(path), "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _settled(record: RunRecord) -> RunRecord:
    if record.status is not Status.RUNNING or not _is_dead(record):
        return record
    tasks = {
        name: replace(task, status=Status.CANCELLED, error="the run was killed")
        if task.status is Status.RUNNING
        else task
        for name, task in record.tasks.items()
    }
    return replace(record, status=Status.CANCELLED, tasks=tasks)


def _some(names: Iterable[str], limit: int = 5) -> str:
    listed = list(names)
    older = f" and {len(listed) - limit} older" if len(listed) > limit else ""
    return ", ".join(listed[-limit:]) + older
