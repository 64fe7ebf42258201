"""What differs between runs: parameters, data, code, versions, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.metrics import p_value_words
from idxpipe.pipeline.catalogue import shown
from idxpipe.pipeline.local import reasons
from idxpipe.pipeline.runs.evaluation import metrics_uri
from idxpipe.pipeline.runs.listing import fingerprints
from idxpipe.pipeline.runs.reference import is_recorded
from idxpipe.pipeline.state import RunRecord


@dataclass(frozen=True)
class Difference:
    """One thing that runs do not have in common.

    Attributes:
        kind: `parameter`, `data`, `code`, `version` or `metric`.
        name: What it is.
        values: In each of the runs, as text.
    """

    kind: str
    name: str
    values: tuple[str, ...]


def diff(*records: RunRecord) -> list[Difference]:
    """Return all in which runs differ, the causes before the effects."""
    parts = [_parts(record) for record in records]
    sections: dict[str, list[dict[str, Any]]] = {
        "parameter": [dict(record.parameters) for record in records],
        "data": [dict(fingerprints(record)) for record in records],
        "code": _shared(parts, "code"),
        "version": _shared(parts, "versions"),
        "metric": [_metrics(record) for record in records],
    }
    found = [d for kind, values in sections.items() for d in _differences(kind, values)]
    return list(dict.fromkeys(found))


def _differences(kind: str, sections: list[dict[str, Any]]) -> Iterator[Difference]:
    for name in dict.fromkeys(name for section in sections for name in section):
        values = [section.get(name) for section in sections]
        if any(value != values[0] for value in values):
            if kind == "code":
                values = [value and str(value)[:8] for value in values]
            texts = [
                shown(name, value, recipe=section.get("recipe"))
                for value, section in zip(values, sections, strict=True)
            ]
            yield Difference(kind, name, tuple(texts))


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


def _shared(parts: list[dict[str, Any]], section: str) -> list[dict[str, Any]]:
    """Return a section of each run's parts, of the stages that all of them have."""
    stages = [name for name in parts[0] if all(name in of_run for of_run in parts)]
    return [
        {name: value for stage in stages for name, value in of_run[stage][section].items()}
        for of_run in parts
    ]


def _parts(record: RunRecord) -> dict[str, Any]:
    """Return the parts of each stage's key; a cached stage's are those of who made it."""
    found: dict[str, Any] = {}
    # Vertex AI keeps no parts of a key.
    for task in record.tasks.values() if is_recorded(record) else ():
        uri = reasons.parts_uri(record.root, record.run_id, task.name)
        if task.kind == "container" and storage.exists(uri):
            try:
                read = reasons.read(uri)
                found[task.name] = {name: dict(read[name]) for name in ("code", "versions")}
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

    @property
    def verdict(self) -> str:
        """Whether it may be, at the level 0.05."""
        return "may be luck" if self.p_value >= 0.05 else "is no luck"

    @property
    def p(self) -> str:
        """The p-value in words."""
        return p_value_words(self.p_value)

    def __str__(self) -> str:
        return (
            f"the difference in accuracy {self.verdict}: {self.better} examples only the second "
            f"run has right, {self.worse} only the first; McNemar's exact test, {self.p}"
        )


def luck(first: RunRecord, second: RunRecord) -> Luck | None:
    """Return McNemar's test of two runs; None where they were not tested on the same examples."""
    from idxpipe.components.evaluate.baseline import compare, read_baseline
    from idxpipe.components.evaluate.metrics.mcnemar import mcnemar

    uris = [uri for record in (first, second) if (uri := metrics_uri(record))]
    if len(uris) < 2:
        return None
    try:
        one, other = (read_baseline(uri) for uri in uris)
        found = compare(one, other.examples, other.num_examples, alpha=0.0)
    except IdxpipeError:
        return None
    less, more = sorted((found.lost, found.won))
    return Luck(min(1.0, 2 * mcnemar(more, less)), found.won, found.lost)
