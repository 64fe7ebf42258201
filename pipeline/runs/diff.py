"""What differs between two runs: parameters, data, code, versions, and what came of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.catalogue import shown
from idxpipe.pipeline.local.reasons import parts_uri
from idxpipe.pipeline.state import RunRecord


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not have in common.

    Attributes:
        kind: `parameter`, `data`, `code`, `version`, `image` or `metric`.
        name: What it is.
        first: In the first run.
        second: In the second.
    """

    kind: str
    name: str
    first: str
    second: str


def diff(first: RunRecord, second: RunRecord) -> list[Difference]:
    """Return all in which two runs differ, the causes before the effects."""
    pairs = [
        *_pairs("parameter", dict(first.parameters), dict(second.parameters)),
        *_pairs("data", _fingerprints(first), _fingerprints(second)),
        *_pairs("code", _parts(first, "code"), _parts(second, "code")),
        *_pairs("version", _parts(first, "versions"), _parts(second, "versions")),
        *_pairs("metric", _metrics(first), _metrics(second)),
    ]
    return list(dict.fromkeys(pairs))


def _pairs(kind: str, first: dict[str, Any], second: dict[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        old, new = first.get(name), second.get(name)
        if old != new:
            if kind == "code":
                old, new = (value and str(value)[:8] for value in (old, new))
            yield Difference(kind, name, shown(name, old), shown(name, new))


def _fingerprints(record: RunRecord) -> dict[str, Any]:
    return {
        name.removesuffix("_fingerprint"): value
        for task in record.tasks.values()
        for name, value in task.outputs.parameters.items()
        if name.endswith("_fingerprint")
    }


def _metrics(record: RunRecord) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for task in record.tasks.values():
        for artifact in task.outputs.artifacts.values():
            if artifact.title == "system.Metrics" and task.kind == "container":
                found.update(artifact.metadata)
    return {
        name: f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else value
        for name, value in found.items()
    }


def _parts(record: RunRecord, section: str) -> dict[str, Any]:
    """Return a section of the parts of all stages; a cached stage's are those of who made it."""
    found: dict[str, Any] = {}
    for task in record.tasks.values():
        uri = parts_uri(record.root, record.run_id, task.name)
        if task.kind == "container" and storage.exists(uri):
            try:
                found.update(json.loads(storage.read(uri))[section])
            except (ValueError, KeyError, TypeError):
                continue
    return found


@dataclass(frozen=True)
class Luck:
    """Whether a difference in accuracy may be luck.

    Attributes:
        p_value: Of McNemar's exact test, two-sided.
        better: Examples that only the second run has right.
        worse: Examples that only the first run has right.
    """

    p_value: float
    better: int
    worse: int

    def __str__(self) -> str:
        verdict = "may be luck" if self.p_value >= 0.05 else "is no luck"
        return (
            f"the difference in accuracy {verdict}: {self.better} examples only the second run has "
            f"right, {self.worse} only the first; McNemar's exact test, p = {self.p_value:.3g}"
        )


def luck(first: RunRecord, second: RunRecord) -> Luck | None:
    """Return McNemar's test of two runs; None where they were not tested on the same examples."""
    from idxpipe.components.evaluate.baseline import compare, read_baseline
    from idxpipe.components.evaluate.metrics.mcnemar import mcnemar

    uris = [uri for record in (first, second) if (uri := _metrics_uri(record))]
    if len(uris) < 2:
        return None
    try:
        one, other = (read_baseline(uri) for uri in uris)
        found = compare(one, other.examples, other.num_examples, alpha=0.0)
    except IdxpipeError:
        return None
    less, more = sorted((found.lost, found.won))
    return Luck(min(1.0, 2 * mcnemar(more, less)), found.won, found.lost)


def _metrics_uri(record: RunRecord) -> str | None:
    task = record.tasks.get("evaluate")
    artifact = task and task.outputs.artifacts.get("metrics")
    return artifact.uri if artifact else None
