"""metrics.json, as docs/metrics.schema.json describes it: evaluate writes it, others read it."""

from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.integrity.sealed import unseal

METRICS = "metrics.json"
SCHEMA_VERSION = 2
# Metrics of version 2 may be older than their checksums.
SEALED_SINCE = 3


def p_value_words(value: float) -> str:
    """Return a p-value in words; one that is less than a float can be is not said to be 0."""
    return f"p = {value:.2g}" if value else "p < 1e-300"


def read_metrics(uri: str) -> dict[str, Any]:
    """Return what an evaluation found.

    Args:
        uri: Its metrics.json.

    Raises:
        DataError: If it is missing, damaged, or of another schema version.
    """
    data = storage.read_document(uri, storage.REPORT_BYTES)
    try:
        facts = unseal(data, SEALED_SINCE)
    except (ValueError, TypeError, RecursionError) as error:
        raise _no_metrics(uri, f"{data[:40]!r}: {error}") from None
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
        raise _no_metrics(uri, repr(data[:40]))
    return facts


def _no_metrics(uri: str, found: str) -> DataError:
    return DataError(
        "not the metrics of an evaluation, or no longer what was written",
        where=uri,
        expected=f"the {METRICS} that `idxpipe evaluate` writes",
        found=found,
        remedy="check the path, or evaluate the model again",
    )
