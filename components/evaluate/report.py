"""The evaluation as one self-contained page: no script, no network, all images inside."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.metrics import p_value_words
from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.report.png import data_uri
from idxpipe.components.core.report.template import percent
from idxpipe.components.core.report.template import render as render_page
from idxpipe.components.evaluate.charts import confidence_histogram, reliability_diagram
from idxpipe.components.evaluate.mistakes import Mistake

# Of a digest, whose whole is in metrics.json.
_SHOWN = 16


def render(facts: dict[str, Any], mistakes: list[Mistake], card: ModelCard) -> str:
    """Return the page.

    Args:
        facts: What metrics.json holds.
        mistakes: The examples to show.
        card: Of the model.
    """
    (low, high), method = facts["accuracy_interval_95"], "bootstrap"
    if low == high:
        # Where all are right, or none, so are all resamples.
        (low, high), method = facts["accuracy_wilson_95"], "Wilson"
    matrix = facts["confusion_matrix"]
    bins = facts["calibration"]["bins"]
    return render_page(
        os.path.dirname(__file__),
        "report.html",
        facts=facts,
        subject=_subject(facts, card),
        smoothing=card.config.get("label_smoothing"),
        accuracy=facts["accuracy"],
        low=low,
        high=high,
        method=method,
        right=sum(row[i] for i, row in enumerate(matrix)),
        baseline=facts["baseline"],
        p_value_words=p_value_words,
        rows=_rows(facts),
        mistakes=[shown(mistake) for mistake in mistakes],
        reliability=reliability_diagram(bins),
        histogram=confidence_histogram(bins),
        classes=_classes(facts),
        matrix=matrix,
        names=names_of(facts),
        most_wrong=most_wrong(matrix),
    )


def shown(mistake: Mistake) -> dict[str, Any]:
    """Return a mistake with its picture as a data URI, as the template shows it."""
    return {**vars(mistake), "picture": data_uri(as_shades(mistake.image))}


def names_of(facts: dict[str, Any]) -> list[str]:
    """Return a name for each class of a confusion matrix; none if metrics.json has none for each.

    Args:
        facts: What metrics.json holds.
    """
    names = [str(name) for name in facts.get("class_names") or []]
    return names if len(names) == len(facts.get("confusion_matrix") or []) else []


def most_wrong(matrix: list[list[int]]) -> int:
    """Return the largest count of a confusion matrix beside its diagonal."""
    wrong = [n for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j]
    return max(wrong, default=0)


def as_shades(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return an image as a browser shows it: uint8 [H, W], or [H, W, 3] in red, green and blue.

    Args:
        image: [H, W] or [H, W, C], any type. Of another number of channels than three the first is
            shown. Pixels that are not bytes are stretched over the image's own range.
    """
    pixels = image.reshape(*image.shape[:2], -1)
    pixels = pixels if pixels.shape[2] == 3 else pixels[:, :, 0]
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8)
    values = np.nan_to_num(pixels.astype(np.float64))
    low, high = values.min(), values.max()
    stretched: NDArray[np.uint8] = ((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)
    return stretched


def _subject(facts: dict[str, Any], card: ModelCard) -> str:
    """Return in a line what was trained, and on what; nothing of when or where."""
    names = {"recipe": "recipe", "model": "network"}
    parts = [f"{word} {card.config[name]}" for name, word in names.items() if name in card.config]
    if card.num_examples:
        parts.append(f"{card.num_examples:,} training examples")
    data = facts["dataset"]
    evaluated = f"{data['num_examples']:,} {data['split']} examples"
    return " · ".join([*parts, f"step {card.step:,}", evaluated])


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    data, model = facts["dataset"], facts["model"]
    shape = " x ".join(str(n) for n in data["image_shape"])
    error = facts["calibration"]["expected_calibration_error"]
    return [
        ("Loss", f"{facts['loss']:.4f} nats"),
        (f"Top-{facts['top_k']['k']} accuracy", percent(facts["top_k"]["accuracy"], 2)),
        ("Macro F1", percent(facts["macro"]["f1"], 2)),
        ("Calibration error", percent(error, 2)),
        ("Examples", f"{facts['num_examples']:,} of {data['num_examples']:,}"),
        ("Images", f"{shape} {data['image_dtype']}"),
        ("Classes", str(len(facts["classes"]))),
        ("Trained to step", f"{model['step']:,}"),
        ("Training loss", f"{model['loss']:.4f}"),
        ("Parameters", f"{model['parameters']:,}"),
        ("Evaluated dataset", f"digest {data['digest'][:_SHOWN]}"),
        ("Model", f"digest {model['digest'][:_SHOWN]}" if model["digest"] else "has no digest"),
        *((f"Evaluated {role}", value) for role, value in data["sources"].items()),
        *((f"Trained on {role}", value) for role, value in model["sources"].items()),
    ]


def _classes(facts: dict[str, Any]) -> list[tuple[str, int, dict[str, Any], dict[str, Any]]]:
    """Return a row for each class, and their means: name, examples, scores, loss and confidence."""
    pairs = list(zip(facts["classes"], facts["slices"], strict=True))
    names = names_of(facts) or [""] * len(pairs)
    rows = [
        (f"{n} {name}".strip(), scores["support"], scores, part)
        for n, (name, (scores, part)) in enumerate(zip(names, pairs, strict=True))
    ]
    parts = [part for part in facts["slices"] if part["num_examples"]]
    weighted = sum(part["num_examples"] * part["confidence"] for part in parts)
    confidence = weighted / sum(part["num_examples"] for part in parts)
    means = {"loss": facts["loss"], "confidence": confidence}
    return [*rows, ("Mean", facts["num_examples"], facts["macro"], means)]
