"""Records of a bucket's runs kept on this machine: one that has ended never changes."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.state import Status, check_version

_VERSION = 1


def read_kept(root: str) -> dict[str, dict[str, Any]]:
    """Return the records of a root that are kept, as JSON values, by the run's id."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError, IdxpipeError):
        path = _path(root)
        if not path:
            return {}
        with open(path) as stream:
            value = json.load(stream)
        if value["version"] == _VERSION and value["root"] == root:
            for record in value["records"]:
                check_version(record)
                found[record["run_id"]] = record
    return found


def keep(root: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Keep the records of runs that have ended; what was kept of this root before is forgotten.

    Args:
        root: The root.
        records: As JSON values.
    """
    ended = [record for record in records if not _may_go_on(record)]
    path = _path(root)
    # Without a place for it, the next look reads all of them again.
    with suppress(OSError, IdxpipeError):
        content = json.dumps({"version": _VERSION, "root": root, "records": ended})
        if path:
            storage.write(path, content.encode())


def _may_go_on(record: Mapping[str, Any]) -> bool:
    """Tell whether a run is going on, or looks killed: its process may only be suspended."""
    killed = record["status"] == Status.CANCELLED and not record["ended"]
    return killed or record["status"] == Status.RUNNING


def _path(root: str) -> str | None:
    """Return the file for a root; None without a place for it."""
    folder = host.cache_folder("runs")
    name = hashlib.sha256(root.encode()).hexdigest()[:20]
    return folder and os.path.join(folder, f"{name}.json")
