"""history.json: the points of a training, one per loop, for whoever draws or compares them."""

from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.integrity.sealed import unseal

HISTORY = "history.json"
SCHEMA_VERSION = 1
# Those of version 1 may be older than their checksums.
_SEALED_SINCE = 2


def read_points(uri: str) -> list[dict[str, Any]]:
    """Return the points of the history in the folder `uri`, in order; none if there is none."""
    return read_file(storage.join(uri, HISTORY))


def read_file(file: str) -> list[dict[str, Any]]:
    """Return the points in one history.json; none if there is none, or it is something else."""
    if not storage.exists(file):
        return []
    try:
        body = unseal(storage.read_document(file), _SEALED_SINCE)
        return list(body["points"]) if body["schema_version"] == SCHEMA_VERSION else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
