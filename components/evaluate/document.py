"""metrics.json: what an evaluation found, as docs/metrics.schema.json describes it."""

import dataclasses
from typing import TYPE_CHECKING, Any

from idxpipe import __version__
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.integrity.sealed import seal
from idxpipe.components.core.metrics import SCHEMA_VERSION
from idxpipe.components.core.model import ModelCard
from idxpipe.components.evaluate.metrics.figures import Figures
from idxpipe.components.evaluate.metrics.mcnemar import Comparison
from idxpipe.components.evaluate.metrics.outcomes import Examples

if TYPE_CHECKING:
    from idxpipe.components.evaluate.mistakes import Mistake

_OF_MISTAKE = ("index", "label", "predicted", "confidence")


def document(
    figures: Figures,
    examples: Examples,
    comparison: Comparison | None,
    mistakes: "list[Mistake]",
    dataset: Dataset,
    card: ModelCard,
) -> dict[str, Any]:
    """Return the document: nothing of when or where, so equal runs give equal bytes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "accuracy": figures.accuracy,
        "accuracy_interval_95": [figures.low, figures.high],
        "accuracy_wilson_95": list(figures.wilson),
        "loss": figures.loss,
        "num_examples": figures.num_examples,
        "top_k": {"k": figures.top_k, "accuracy": figures.top_k_accuracy},
        "macro": dataclasses.asdict(figures.macro),
        "class_names": list(card.class_names),
        "classes": [dataclasses.asdict(c) for c in figures.classes],
        "slices": [dataclasses.asdict(part) for part in figures.slices],
        "confusion_matrix": [list(row) for row in figures.confusion],
        "calibration": {
            "expected_calibration_error": figures.calibration_error,
            "bins": [{**dataclasses.asdict(b), "accuracy": b.accuracy} for b in figures.bins],
        },
        "mistakes": [
            {name: getattr(mistake, name) for name in _OF_MISTAKE} for mistake in mistakes
        ],
        "baseline": None if comparison is None else dataclasses.asdict(comparison),
        "examples": dataclasses.asdict(examples),
        "dataset": {
            "split": dataset.split,
            "num_examples": dataset.num_examples,
            "image_shape": list(dataset.image_shape),
            "image_dtype": dataset.image_dtype,
            "sources": dataset.sources,
            "digest": dataset.digest,
        },
        "model": {
            "digest": card.digest,
            "step": card.step,
            "loss": card.loss,
            "parameters": card.parameters,
            "sources": card.sources,
            "version": card.version,
        },
    }


def dumps(facts: dict[str, Any]) -> bytes:
    """Return the document as JSON; NaN, which JSON has not, cannot be in it."""
    return seal(facts, indent=2, allow_nan=False)
