"""What the evaluate stage of a run found, and pictures of its worst mistakes."""

from contextlib import suppress
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.integrity.sealed import unseal
from idxpipe.components.core.metrics import SEALED_SINCE
from idxpipe.pipeline.spec.artifact import Artifact
from idxpipe.pipeline.state import RunRecord

# Of a split that is read for the pictures: more would make the end of a run a wait.
_SHARD_BYTES = 64 << 20
_SHOWN_MISTAKES = 12


def metrics_uri(record: RunRecord) -> str | None:
    """Return the URI of a run's metrics.json; None without one."""
    artifact = _artifact(record, "evaluate", "metrics")
    return artifact.uri if artifact else None


def metrics(record: RunRecord) -> dict[str, Any]:
    """Return what the evaluate stage of a run wrote; nothing if that cannot be read."""
    uri = metrics_uri(record)
    with suppress(ValueError, TypeError, RecursionError, IdxpipeError):
        if uri and storage.exists(uri):
            return unseal(storage.read_document(uri, storage.REPORT_BYTES), SEALED_SINCE)
    return {}


def mistakes(record: RunRecord, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the worst mistakes with their pictures; none if the split is gone or large.

    Args:
        record: The run.
        facts: From `metrics`.
    """
    task = record.tasks.get("evaluate")
    dataset = task and task.inputs.artifacts.get("dataset")
    wanted = facts.get("mistakes", [])[:_SHOWN_MISTAKES]
    if not dataset or not wanted:
        return []
    with suppress(IdxpipeError, OSError, ImportError, KeyError, TypeError, ValueError):
        pictures = _pictures(dataset.uri, [mistake["index"] for mistake in wanted])
        return [
            {**mistake, "picture": pictures[mistake["index"]]}
            for mistake in wanted
            if mistake["index"] in pictures
        ]
    return []


def _pictures(uri: str, numbers: list[int]) -> dict[int, str]:
    """Return data URIs of examples of a dataset, by number; only their shards are read."""
    import numpy as np

    from idxpipe.components.core.dataset.examples import read_shard
    from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
    from idxpipe.components.core.report.png import data_uri
    from idxpipe.components.evaluate.report import as_shades

    dataset = read_dataset(uri)
    dtype = np.dtype(dataset.image_dtype).newbyteorder("<")
    found: dict[int, str] = {}
    first = spent = 0
    for place, shard in zip(shard_uris(uri, dataset), dataset.shards, strict=True):
        inside = [number for number in numbers if first <= number < first + shard.examples]
        spent += shard.bytes if inside else 0
        if inside and spent <= _SHARD_BYTES:
            at = first
            for rows, _ in read_shard(place, shard, dataset):
                for number in inside:
                    if at <= number < at + len(rows):
                        pixels = np.ascontiguousarray(rows[number - at]).view(dtype)
                        found[number] = data_uri(as_shades(pixels.reshape(dataset.image_shape)))
                at += len(rows)
        first += shard.examples
    return found


def _artifact(record: RunRecord, stage: str, output: str) -> Artifact | None:
    task = record.tasks.get(stage)
    return task.outputs.artifacts.get(output) if task else None
