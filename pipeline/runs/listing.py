"""The runs below a root, as rows to sort and to filter: when, how well, and what was changed."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import PARAMETERS, is_ours, shown
from idxpipe.pipeline.runs.kept import keep, read_kept
from idxpipe.pipeline.state import RunRecord, Status

# Requests to a bucket at a time; local files are read one after the other.
_READERS = 32


@dataclass(frozen=True)
class Row:
    """One run; its tasks, of which a table of a thousand shows nothing, are read when asked for.

    Attributes:
        run_id: Its id.
        root: The root that it is below.
        value: Its record as JSON values; None where that is damaged.
        problem: What is wrong with the record.
        status: How far it is.
        started: When it began, ISO 8601 in UTC.
        seconds: How long it took.
        accuracy: The accuracy on the test set, if it came to that.
        parameters: What it was given, by name.
    """

    run_id: str
    root: str
    value: Mapping[str, Any] | None = None
    problem: str = ""
    status: Status | None = None
    started: str | None = None
    seconds: float | None = None
    accuracy: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Mapping[str, Any], run_id: str, root: str) -> Self:
        """Return the row of a record, given as JSON values."""
        try:
            seconds = value["seconds"]
            return cls(
                run_id,
                root,
                value,
                status=Status(value["status"]),
                started=str(value["started"] or ""),
                seconds=float(seconds) if state.is_number(seconds) else None,
                accuracy=_first_score(
                    (str(artifact["type"].get("schemaTitle", "")), artifact["metadata"])
                    for task in value["tasks"].values()
                    for artifact in task["outputs"]["artifacts"].values()
                ),
                parameters=dict(value["parameters"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(run_id, root, problem=state.DAMAGED)

    @property
    def record(self) -> RunRecord | None:
        """The whole record; None where it is damaged, or only its tasks are."""
        if self.value is None:
            return None
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            return state.parse(self.value, self.root)
        return None

    @property
    def date(self) -> str:
        """When it began, in local time."""
        return local_date(self.started)

    @property
    def changed(self) -> dict[str, Any]:
        """The parameters that differ from the defaults."""
        return changed_of(self.parameters)


def rows(root: str) -> list[Row]:
    """Return all runs below a root, the newest first.

    Raises:
        UsageError: If none is recorded there.
    """
    root = state.absolute(root)
    ids = state.run_ids(root)
    if not ids:
        raise UsageError(
            "no run is recorded here",
            where=root,
            remedy="name the root that the runs were given with --root, or make one: idxpipe run",
        )
    ids.reverse()
    if not storage.is_local(root):
        return _remote(root, ids)
    return [read_row(root, run_id) for run_id in ids]


def _remote(root: str, ids: Sequence[str]) -> list[Row]:
    """Return the runs of a bucket; only what is new or still runs is read."""
    known = {run_id: Row.of(value, run_id, root) for run_id, value in read_kept(root).items()}
    new = [run_id for run_id in ids if run_id not in known]
    with ThreadPoolExecutor(_READERS) as pool:
        known.update(zip(new, pool.map(lambda run_id: read_row(root, run_id), new), strict=True))
    # One that only begins has a folder, and no record yet.
    rows = [row for run_id in ids if (row := known[run_id]).value or _has_record(root, run_id)]
    if new:
        keep(root, [row.value for row in rows if row.value])
    return rows


def _has_record(root: str, run_id: str) -> bool:
    return storage.exists(storage.join(state.run_folder(root, run_id), "run.json"))


def read_row(root: str, run_id: str) -> Row:
    """Return one run, whatever is wrong with its record."""
    try:
        return Row.of(state.read(root, run_id), run_id, root)
    except DataError as error:
        return Row(run_id, root, problem=error.problem)
    except SetupError as error:
        # A bucket that refuses, refuses all of them.
        if not storage.is_local(root):
            raise
        return Row(run_id, root, problem=f"record {error.problem}: {error.found}")


def select(found: Iterable[Row], where: Sequence[str], sort: str) -> list[Row]:
    """Return the rows whose parameters are as asked for, in the order that is asked for.

    Args:
        found: All rows, the newest first.
        where: `NAME=VALUE`, of parameters, or of status.
        sort: `date`, `status`, `time` or `accuracy`: the newest, the longest, the best first.

    Raises:
        UsageError: If a condition is none.
    """
    conditions = [_condition(text) for text in where]
    kept = [row for row in found if all(_meets(row, *condition) for condition in conditions)]
    if sort == "accuracy":
        kept.sort(key=lambda row: -1.0 if row.accuracy is None else row.accuracy, reverse=True)
    elif sort == "time":
        kept.sort(key=lambda row: row.seconds or 0.0, reverse=True)
    elif sort == "status":
        kept.sort(key=lambda row: str(row.status or ""))
    return kept


def accuracy(record: RunRecord) -> float | None:
    """Return the accuracy that a run's evaluate stage logged; None without one."""
    return _first_score(
        (artifact.title, artifact.metadata)
        for task in record.tasks.values()
        for artifact in task.outputs.artifacts.values()
    )


def _first_score(artifacts: Iterable[tuple[str, Mapping[str, Any]]]) -> float | None:
    """Return the accuracy among artifacts, each given by its type's name and its metadata."""
    for title, metadata in artifacts:
        value = metadata.get("accuracy")
        if title == "system.Metrics" and value is not None and state.is_number(value):
            return float(value)
    return None


def changed(record: RunRecord) -> dict[str, Any]:
    """Return the parameters of a run that differ from their defaults; of others' pipelines all."""
    return changed_of(record.parameters)


def changed_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs from the defaults, as `changed` does."""
    if not is_ours(parameters):
        return dict(parameters)
    return {
        name: value
        for name, value in parameters.items()
        if name not in PARAMETERS or value != PARAMETERS[name].default
    }


def fingerprints(record: RunRecord) -> dict[str, str]:
    """Return the fingerprints of what a run was made from, as validate found them, by input."""
    return {
        name.removesuffix("_fingerprint"): str(value)
        for task in record.tasks.values()
        for name, value in task.outputs.parameters.items()
        if name.endswith("_fingerprint")
    }


def words(parameters: Mapping[str, Any]) -> str:
    """Return parameters as `name=value name=value`."""
    return " ".join(f"{name}={shown(name, value)}" for name, value in parameters.items())


def local_date(time: str | None) -> str:
    """Return a time of a record as a person here reads it."""
    try:
        return datetime.fromisoformat(time or "").astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def size(count: int) -> str:
    """Return a number of bytes for a person: `12.3 kB`."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def _condition(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise UsageError("invalid value", where="--where", expected="NAME=VALUE", found=text)
    return name.strip(), value.strip()


def _meets(row: Row, name: str, value: str) -> bool:
    found = row.status if name == "status" else row.parameters.get(name)
    return str(found).lower() == value.lower()
