"""Evaluate a model on a split: every example exactly once."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from components import __version__
from components.core import storage
from components.core.dataset import Dataset, read_dataset, shard_uris
from components.core.device import DeviceConfig
from components.core.errors import CONVERT_AGAIN, DataError, GateError
from components.core.narration import say
from components.core.staging import staged_shards
from components.core.tf_host import quiet_import
from components.evaluate.config import EvaluateConfig
from components.evaluate.metrics import (
    ClassFigures,
    class_figures,
    confusion_matrix,
    cross_entropy,
    wilson_interval,
)

if TYPE_CHECKING:
    from components.evaluate.loaded_model import ModelCard
    from components.evaluate.mistakes import Mistake

SCHEMA_VERSION = 1
_SHOWN_MISTAKES = 24


@dataclasses.dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation found.

    Attributes:
        accuracy: Share of the examples that are classified right.
        low: Lower end of the accuracy's 95 % Wilson interval.
        high: Upper end of it.
        loss: Mean cross-entropy in nats.
        num_examples: How many were evaluated.
        confusion: Counts, rows are labels, columns predictions.
        classes: Figures of each class.
    """

    accuracy: float
    low: float
    high: float
    loss: float
    num_examples: int
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassFigures, ...]


def evaluate(
    records: str,
    model: str,
    metrics: str,
    report: str,
    config: EvaluateConfig,
    device: DeviceConfig,
) -> EvaluateResult:
    """Evaluate the model in `model` on the dataset in `records`.

    Args:
        records: Folder of a finished dataset.
        model: Folder of the SavedModel, or the one above it.
        metrics: File to write the figures to, JSON.
        report: File to write the page to, HTML.
        config: How much, and what is good enough.
        device: What to run on.

    Returns:
        The figures.

    Raises:
        DataError: If the dataset or the model is damaged, or they do not belong together.
        SetupError: If the device is absent or an output cannot be written.
        GateError: If the accuracy is below `config.min_accuracy`; both files are written.
    """
    dataset = read_dataset(records)
    shards = shard_uris(records, dataset)
    with quiet_import():
        from components.evaluate.batches import read_batches
        from components.evaluate.device import choose_device
        from components.evaluate.loaded_model import check_match, load_predict, read_card
        from components.evaluate.mistakes import mistakes_in, worst
        from components.evaluate.report import render

        place = choose_device(device)
    card = read_card(model)
    check_match(card, dataset, records)
    predict = load_predict(card, place)
    say(f"evaluating step {card.step} on {place}, {dataset.num_examples} examples")

    # Every batch is padded to this size, so a huge one would cost memory for nothing.
    batch_size = min(config.eval_batch_size, dataset.num_examples)
    confusion = np.zeros((dataset.num_classes, dataset.num_classes), np.int64)
    losses: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    mistakes: list[Mistake] = []
    first = 0
    with staged_shards(shards, dataset, device.stage_bytes) as paths:
        for number, batch in enumerate(read_batches(paths, dataset, batch_size)):
            if config.eval_steps and number == config.eval_steps:
                break
            logits, labels = predict(batch.images)[: batch.real], batch.labels[: batch.real]
            _check_finite(logits, card.uri)
            confusion += confusion_matrix(labels, logits.argmax(axis=1), dataset.num_classes)
            losses.append(cross_entropy(logits, labels))
            mistakes = worst([*mistakes, *mistakes_in(batch, logits, first)], _SHOWN_MISTAKES)
            first += batch.real

    _check_complete(first, dataset, config, records)
    result = _result(confusion, float(np.concatenate(losses).mean()))
    facts = _facts(result, dataset, card, mistakes)
    storage.write(metrics, (json.dumps(facts, indent=2) + "\n").encode())
    storage.write(report, render(facts, mistakes).encode())
    say(f"accuracy {result.accuracy:.4f} ({result.low:.4f} to {result.high:.4f})")
    _check_gate(result.accuracy, config.min_accuracy, card.uri)
    return result


def _result(confusion: np.ndarray[Any, np.dtype[np.int64]], loss: float) -> EvaluateResult:
    right, total = int(np.trace(confusion)), int(confusion.sum())
    low, high = wilson_interval(right, total)
    return EvaluateResult(
        accuracy=right / total,
        low=low,
        high=high,
        loss=loss,
        num_examples=total,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        classes=class_figures(confusion),
    )


def _facts(
    result: EvaluateResult, dataset: Dataset, card: "ModelCard", mistakes: list["Mistake"]
) -> dict[str, Any]:
    """Return what metrics.json holds: nothing of when or where, so equal runs give equal bytes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "accuracy": result.accuracy,
        "accuracy_interval_95": [result.low, result.high],
        "loss": result.loss,
        "num_examples": result.num_examples,
        "classes": [dataclasses.asdict(figures) for figures in result.classes],
        "confusion_matrix": [list(row) for row in result.confusion],
        "mistakes": [
            {
                "index": mistake.index,
                "label": mistake.label,
                "predicted": mistake.predicted,
                "confidence": mistake.confidence,
            }
            for mistake in mistakes
        ],
        "dataset": {
            "split": dataset.split,
            "num_examples": dataset.num_examples,
            "image_shape": list(dataset.image_shape),
            "image_dtype": dataset.image_dtype,
            "sources": dataset.sources,
        },
        "model": {
            "step": card.step,
            "loss": card.loss,
            "parameters": card.parameters,
            "sources": card.sources,
            "version": card.version,
        },
    }


def _check_finite(logits: np.ndarray[Any, np.dtype[np.float32]], model: str) -> None:
    if not np.isfinite(logits).all():
        raise DataError(
            "model gives logits that are not finite numbers",
            where=model,
            remedy="look for broken values in the images, or train again",
        )


def _check_complete(done: int, dataset: Dataset, config: EvaluateConfig, records: str) -> None:
    wanted = dataset.num_examples
    if config.eval_steps:
        wanted = min(wanted, config.eval_steps * config.eval_batch_size)
    if done != wanted or not done:
        raise DataError(
            "dataset has another number of records than its manifest says",
            where=records,
            expected=wanted or "at least one example",
            found=done,
            remedy=CONVERT_AGAIN,
        )


def _check_gate(accuracy: float, minimum: float, model: str) -> None:
    if accuracy < minimum:
        raise GateError(
            "model is not accurate enough",
            where=model,
            expected=f"accuracy of at least {minimum}",
            found=f"{accuracy:.6f}",
            remedy="train longer or better, or lower min_accuracy",
        )
