"""metrics.json, as docs/metrics.schema.json describes it: evaluate writes it, others read it."""

import json
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError

METRICS = "metrics.json"
SCHEMA_VERSION = 2


def read_metrics(uri: str) -> dict[str, Any]:
    """Return what an evaluation found.

    Args:
        uri: Its metrics.json.

    Raises:
        DataError: If it is missing, damaged, or of another schema version.
    """
    data = storage.read(uri)
    facts = _parse(data)
    version = facts.get("schema_version")
    if type(version) is int and version != SCHEMA_VERSION:
        raise DataError(
            "metrics have a different version",
            where=uri,
            expected=f"schema version {SCHEMA_VERSION}",
            found=version,
            remedy="evaluate the model again with this idxpipe",
        )
    accuracy = facts.get("accuracy")
    if version != SCHEMA_VERSION or not isinstance(accuracy, float) or not 0 <= accuracy <= 1:
        raise DataError(
            "not the metrics of an evaluation",
            where=uri,
            expected=f"the {METRICS} that `idxpipe evaluate` writes",
            found=repr(data[:40]),
            remedy="check the path, or evaluate the model again",
        )
    return facts


def _parse(data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
