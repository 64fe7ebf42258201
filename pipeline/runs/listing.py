"""The runs below a root, as rows to sort and to filter: when, how well, and what was changed."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import PARAMETERS, is_ours, shown
from idxpipe.pipeline.runs.kept import keep, read_kept
from idxpipe.pipeline.state import RunRecord

# Requests to a bucket at a time; local files are read one after the other.
_READERS = 32


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        record: Its record; None where that is damaged.
        run_id: Its id.
        problem: What is wrong with the record.
    """

    record: RunRecord | None
    run_id: str
    problem: str = ""

    @property
    def date(self) -> str:
        """When it began, in local time."""
        return local_date(self.record.started) if self.record else ""

    @property
    def accuracy(self) -> float | None:
        """The accuracy on the test set, if it came to that."""
        return accuracy(self.record) if self.record else None

    @property
    def changed(self) -> dict[str, Any]:
        """The parameters that differ from the defaults."""
        return changed(self.record) if self.record else {}


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
    known = {run_id: Row(record, run_id) for run_id, record in read_kept(root).items()}
    new = [run_id for run_id in ids if run_id not in known]
    with ThreadPoolExecutor(_READERS) as pool:
        known.update(zip(new, pool.map(lambda run_id: read_row(root, run_id), new), strict=True))
    # One that only begins has a folder, and no record yet.
    rows = [row for run_id in ids if (row := known[run_id]).record or _has_record(root, run_id)]
    if new:
        keep(root, [row.record for row in rows if row.record])
    return rows


def _has_record(root: str, run_id: str) -> bool:
    return storage.exists(storage.join(state.run_folder(root, run_id), "run.json"))


def read_row(root: str, run_id: str) -> Row:
    """Return one run, whatever is wrong with its record."""
    try:
        return Row(state.load(root, run_id), run_id)
    except DataError as error:
        return Row(None, run_id, error.problem)


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
        kept.sort(key=lambda row: (row.record and row.record.seconds) or 0.0, reverse=True)
    elif sort == "status":
        kept.sort(key=lambda row: str(row.record.status) if row.record else "")
    return kept


def accuracy(record: RunRecord) -> float | None:
    """Return the accuracy that a run's evaluate stage logged; None without one."""
    for task in record.tasks.values():
        for artifact in task.outputs.artifacts.values():
            value = artifact.metadata.get("accuracy")
            if artifact.title == "system.Metrics" and isinstance(value, int | float):
                return float(value)
    return None


def changed(record: RunRecord) -> dict[str, Any]:
    """Return the parameters of a run that differ from their defaults; of others' pipelines all."""
    if not is_ours(record.parameters):
        return dict(record.parameters)
    return {
        name: value
        for name, value in record.parameters.items()
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
    if row.record is None:
        return False
    found = row.record.status if name == "status" else row.record.parameters.get(name)
    return str(found).lower() == value.lower()
