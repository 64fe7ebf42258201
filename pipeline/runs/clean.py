"""Throws away what nobody needs any more: old runs, and whatever no run that is kept uses.

What goes is told before it goes. Never an artifact that a kept run uses, nor what somebody works
on just now, nor a file that is not ours.
"""

import fcntl
import os
import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from idxpipe.components.convert.source import STAGING
from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.leases.lease import SUFFIX, is_live, sweep
from idxpipe.pipeline import state
from idxpipe.pipeline.local.cache import LOCK, RECORD, read_record
from idxpipe.pipeline.state import RunRecord, Status

PIN = "pinned"
# ROOT/artifacts/TASK/KEY or KEY-RUN; nothing else there is ours.
_KEY = re.compile(r"[0-9a-f]{20}(-\d{8}-\d{9}-[0-9a-f]{4}(-aside)?)?")
_AGE = re.compile(r"(\d+)([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True)
class Waste:
    """Something that would go.

    Attributes:
        kind: `run`, `artifact`, or `leftover`: of work that was killed.
        uri: Where it is.
        size: Bytes that it takes.
        why: Why it may go.
    """

    kind: str
    uri: str
    size: int
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"kind": self.kind, "uri": self.uri, "bytes": self.size, "why": self.why}


@dataclass(frozen=True)
class Choice:
    """Which runs go.

    Attributes:
        keep_last: Keep so many of the newest, and let older ones go; None lets none go for that.
        older_than: Let those go that began longer ago.
        failed: Let those go that failed or were cancelled.
        runs: Let these go.
    """

    keep_last: int | None = None
    older_than: timedelta | None = None
    failed: bool = False
    runs: Collection[str] = ()


def parse_age(text: str) -> timedelta:
    """Return the time that `30d`, `12h` or `5m` means.

    Raises:
        UsageError: If it means none.
    """
    found = _AGE.fullmatch(text)
    if not found:
        raise UsageError(
            "invalid value", where="--older-than", expected="30d, 12h or 5m", found=text
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def waste(root: str, choice: Choice) -> list[Waste]:
    """Return what would go.

    Raises:
        DataError: If the record of a run is damaged: nobody knows then what it uses.
        UsageError: If a run that is to go is pinned, or still runs.
    """
    root = state.absolute(root)
    # A record that cannot be read may be of a run that is to be kept.
    records = [state.load(root, run_id) for run_id in reversed(state.run_ids(root))]
    going = _going(records, choice)
    found = [
        Waste("run", record.folder, _size(record.folder), going[record.run_id])
        for record in records
        if record.run_id in going
    ]
    kept = [record for record in records if record.run_id not in going]
    return [*found, *_unused(root, _used(root, kept))]


def throw_away(found: Collection[Waste]) -> None:
    """Delete what `waste` found: artifacts before the runs that tell of them."""
    for one in sorted(found, key=lambda one: one.kind == "run"):
        if one.uri.endswith(SUFFIX) and not storage.is_local(one.uri):
            # Somebody may have taken it since.
            sweep(one.uri)
            continue
        storage.delete(one.uri)
        if one.kind == "artifact" and storage.is_local(one.uri):
            storage.delete(f"{one.uri}{LOCK}")


def pin(record: RunRecord, *, pinned: bool) -> None:
    """Keep a run and all that it uses, whatever is cleaned; or no longer."""
    uri = storage.join(record.folder, PIN)
    if pinned:
        storage.write(uri, b"")
    else:
        storage.delete(uri)


def is_pinned(record: RunRecord) -> bool:
    """Tell whether a run is kept, whatever is cleaned."""
    return storage.exists(storage.join(record.folder, PIN))


def _going(records: list[RunRecord], choice: Choice) -> dict[str, str]:
    """Return why each run that goes may go, by its id."""
    found: dict[str, str] = {}
    now = datetime.now(UTC)
    for number, record in enumerate(records):
        asked = record.run_id in choice.runs
        living = record.status is Status.RUNNING
        if asked and (living or is_pinned(record)):
            raise UsageError(
                "this run is kept",
                where=record.run_id,
                found="it still runs" if living else "it is pinned",
                remedy="cancel it first"
                if living
                else shlex.join(["idxpipe", "unpin", record.run_id, "--root", record.root]),
            )
        began = datetime.fromisoformat(record.started) if record.started else now
        reasons = {
            "asked for": asked,
            str(record.status): choice.failed
            and record.status in {Status.FAILED, Status.CANCELLED},
            "older": choice.older_than is not None and now - began > choice.older_than,
            "not among the last": choice.keep_last is not None and number >= choice.keep_last,
        }
        why = [reason for reason, holds in reasons.items() if holds]
        if why and not living and not is_pinned(record):
            found[record.run_id] = why[0]
    return found


def _used(root: str, kept: list[RunRecord]) -> set[str]:
    """Return the folders of artifacts that runs use, by `TASK/KEY`."""
    prefix = storage.join(root, "artifacts") + "/"
    uris = []
    for record in kept:
        for task in record.tasks.values():
            uris += [task.folder or ""]
            values = (task.inputs, task.outputs)
            uris += [a.uri for held in values for a in held.artifacts.values()]
    found = {
        "/".join(uri.removeprefix(prefix).split("/")[:2]) for uri in uris if uri.startswith(prefix)
    }
    for name in list(found):
        record_ = read_record(prefix + name)
        if record_ and "accepted" in record_:
            found.add(f"{name.partition('/')[0]}/{record_['accepted']}")
    return found


def _unused(root: str, used: set[str]) -> Iterator[Waste]:
    folder = storage.join(root, "artifacts")
    sizes: dict[str, int] = {}
    locks = []
    files = storage.list_files(folder)
    leases = {} if storage.is_local(root) else _leases(folder, files)
    held = {"/".join(name.removesuffix(SUFFIX).split("/")[:2]) for name in leases if leases[name]}
    for name, size in files.items():
        task, _, rest = name.partition("/")
        key, inside, _ = rest.partition("/")
        if inside and _KEY.fullmatch(key):
            sizes[f"{task}/{key}"] = sizes.get(f"{task}/{key}", 0) + size
        elif key.endswith(LOCK) and _KEY.fullmatch(key.removesuffix(LOCK)):
            locks.append(name.removesuffix(LOCK))
    for name, size in sorted(sizes.items()):
        uri = storage.join(folder, name)
        if name not in held and not _is_held(uri):
            finished = storage.exists(storage.join(uri, RECORD))
            if name not in used:
                why = "no run that is kept uses it" if finished else "it was never finished"
                yield Waste("artifact", uri, size, why)
            elif finished:
                yield from _staged(uri)
    for name in locks:
        uri = storage.join(folder, name)
        if name not in sizes and not _is_held(uri):
            yield Waste("leftover", f"{uri}{LOCK}", 0, "the lock of what is gone")
    for name, live in leases.items():
        if not live:
            why = "the lease of a process that no longer renews it"
            yield Waste("leftover", storage.join(folder, name), files[name], why)


def _leases(folder: str, files: Collection[str]) -> dict[str, bool]:
    """Return whether somebody renews each lease in a bucket, or may do so, by its name."""
    found = {}
    for name in files:
        key = name.removesuffix(SUFFIX).split("/")[1:2]
        if name.endswith(SUFFIX) and key and _KEY.fullmatch(key[0]):
            live = is_live(storage.join(folder, name))
            # What is no lease of ours is not ours to delete.
            found[name] = live is not False
    return found


def _staged(uri: str) -> Iterator[Waste]:
    """Yield what a killed conversion staged for Beam's workers, in a bucket."""
    if storage.is_local(uri):
        return
    found: dict[str, int] = {}
    for name, size in storage.list_files(uri).items():
        before, inside, _ = f"/{name}".partition(f"/{STAGING}/")
        if inside:
            place = storage.join(uri, f"{before}/{STAGING}".strip("/"))
            found[place] = found.get(place, 0) + size
    for place, size in found.items():
        yield Waste("leftover", place, size, "it was staged for workers, and nobody needs it now")


def _is_held(uri: str) -> bool:
    """Tell whether somebody works in a folder just now."""
    if not storage.is_local(uri):
        return False
    path = f"{storage.local_path(uri)}{LOCK}"
    if not os.path.exists(path):
        return False
    with open(host.open_lock(path), "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _size(uri: str) -> int:
    return sum(storage.list_files(uri).values())
