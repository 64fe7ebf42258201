"""Evaluate a model on a split: every example exactly once."""

from itertools import islice
from typing import TYPE_CHECKING

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.core.dataset.staging import staged_shards
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import CONVERT_AGAIN, DataError
from idxpipe.components.core.events import Meter
from idxpipe.components.core.model import check_match, read_card
from idxpipe.components.core.narration import say
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.evaluate.baseline import compare, read_baseline
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.document import document, dumps
from idxpipe.components.evaluate.inference.replicas import with_logits
from idxpipe.components.evaluate.metrics.figures import Figures, figures_of
from idxpipe.components.evaluate.metrics.outcomes import Gathering

if TYPE_CHECKING:
    from idxpipe.components.evaluate.mistakes import Mistake

_SHOWN_MISTAKES = 24


def evaluate(
    records: str,
    model: str,
    metrics: str,
    report: str,
    config: EvaluateConfig,
    device: DeviceConfig,
) -> Figures:
    """Evaluate the model in `model` on the dataset in `records`.

    Args:
        records: Folder of a finished dataset.
        model: Folder of the SavedModel, or the one above it.
        metrics: File to write the figures to, JSON.
        report: File to write the page to, HTML.
        config: How much, and what to compare with.
        device: What to run on.

    Returns:
        The figures.

    Raises:
        DataError: If the dataset, the model or the baseline is damaged, or they do not belong
            together.
        SetupError: If the device is absent or an output cannot be written.
    """
    dataset = read_dataset(records)
    shards = shard_uris(records, dataset)
    card = read_card(model)
    check_match(card, dataset, records)
    baseline = read_baseline(config.baseline) if config.baseline else None
    with quiet_import("evaluate"):
        from idxpipe.components.evaluate.batches import read_batches
        from idxpipe.components.evaluate.inference.device import choose_devices
        from idxpipe.components.evaluate.inference.loaded_model import load_model
        from idxpipe.components.evaluate.mistakes import mistakes_in, worst
        from idxpipe.components.evaluate.report import render

        devices = choose_devices(device)
    replicas = load_model(card, devices, trust=config.trust_model)
    say(f"evaluating step {card.step} on {', '.join(devices)}, {dataset.num_examples} examples")

    # Every batch is padded to this size, so a huge one would cost memory for nothing.
    batch_size = min(config.eval_batch_size, dataset.num_examples)
    wanted = dataset.num_examples
    if config.eval_steps:
        wanted = min(wanted, config.eval_steps * config.eval_batch_size)
    gathering = Gathering()
    mistakes: list[Mistake] = []
    with staged_shards(shards, dataset, device.stage_bytes) as paths:
        batches = islice(read_batches(paths, dataset, batch_size), config.eval_steps or None)
        meter = Meter("evaluate", wanted, "examples")
        for batch, logits in with_logits(batches, replicas):
            found = mistakes_in(batch, logits, gathering.count)
            mistakes = worst([*mistakes, *found], _SHOWN_MISTAKES)
            gathering.add(batch.images[: batch.real], batch.labels[: batch.real], logits)
            meter.advance(batch.real)

    _check_complete(gathering.count, wanted, records)
    outcomes = gathering.outcomes()
    figures = figures_of(outcomes, dataset.num_classes, config.top_k)
    comparison = None
    if baseline:
        comparison = compare(
            baseline, outcomes.examples, figures.num_examples, config.baseline_alpha
        )
    facts = document(figures, outcomes.examples, comparison, mistakes, dataset, card)
    storage.write(metrics, dumps(facts))
    storage.write(report, render(facts, mistakes, card).encode())
    say(f"accuracy {figures.accuracy:.4f} ({figures.low:.4f} to {figures.high:.4f})")
    return figures


def _check_complete(done: int, wanted: int, records: str) -> None:
    if done != wanted or not done:
        raise DataError(
            "number of records differs from the manifest",
            where=records,
            expected=wanted or "at least one example",
            found=done,
            remedy=CONVERT_AGAIN,
        )
