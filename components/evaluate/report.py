"""The evaluation as one self-contained page: no script, no network, all images inside."""

import base64
import math
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from idxpipe.components.evaluate.charts import confidence_histogram, reliability_diagram
from idxpipe.components.evaluate.mistakes import Mistake

_TEMPLATE = "report.html"
# A page with a million cells is no longer read, nor opened.
_MOST_CLASSES_OF_MATRIX = 100
_MOST_CLASSES_OF_A_WIDTH = 16


def render(facts: dict[str, Any], mistakes: list[Mistake]) -> str:
    """Return the page.

    Args:
        facts: What metrics.json holds.
        mistakes: The examples to show.
    """
    template = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    (low, high), method = facts["accuracy_interval_95"], "bootstrap"
    if low == high:
        # Where all are right, or none, so are all resamples.
        (low, high), method = facts["accuracy_wilson_95"], "Wilson"
    right = sum(row[i] for i, row in enumerate(facts["confusion_matrix"]))
    return Template(template).substitute(
        accuracy=f"{100 * facts['accuracy']:.2f}",
        low=f"{100 * low:.2f}",
        high=f"{100 * high:.2f}",
        method=method,
        split=escape(facts["dataset"]["split"]),
        right=f"{right:,}",
        total=f"{facts['num_examples']:,}",
        facts=_facts(facts),
        mistakes=_mistakes(mistakes, facts["num_examples"] - right),
        baseline=_baseline(facts["baseline"]),
        error=f"{100 * facts['calibration']['expected_calibration_error']:.2f}",
        reliability=reliability_diagram(facts["calibration"]["bins"]),
        histogram=confidence_histogram(facts["calibration"]["bins"]),
        classes=_classes(facts),
        matrix=_matrix(facts["confusion_matrix"]),
        version=escape(facts["version"]),
    )


def to_png(image: NDArray[np.generic]) -> bytes:
    """Encode an image for a browser.

    Args:
        image: [H, W] or [H, W, C], any type. Three channels are red, green and blue; of any other
            number the first is shown. Pixels that are not bytes are stretched over the image's own
            range.

    Returns:
        A PNG file.
    """
    pixels = image.reshape(*image.shape[:2], -1)
    pixels = pixels if pixels.shape[2] == 3 else pixels[:, :, :1]
    if pixels.dtype != np.uint8:
        values = np.nan_to_num(pixels.astype(np.float64))
        low, high = values.min(), values.max()
        pixels = ((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)
    png: bytes = tf.io.encode_png(pixels).numpy()
    return png


def _facts(facts: dict[str, Any]) -> str:
    data, model = facts["dataset"], facts["model"]
    shape = " x ".join(str(n) for n in data["image_shape"])
    evaluated = f"{facts['num_examples']:,} of {data['num_examples']:,}"
    rows = [
        ("Loss", f"{facts['loss']:.4f} nats"),
        (f"Top-{facts['top_k']['k']} accuracy", _percent(facts["top_k"]["accuracy"], 2)),
        ("Macro F1", _percent(facts["macro"]["f1"], 2)),
        ("Calibration error", _percent(facts["calibration"]["expected_calibration_error"], 2)),
        ("Examples", evaluated),
        ("Images", f"{shape} {data['image_dtype']}"),
        ("Classes", str(len(facts["classes"]))),
        ("Trained to step", f"{model['step']:,}"),
        ("Training loss", f"{model['loss']:.4f}"),
        ("Parameters", f"{model['parameters']:,}"),
        *((f"Evaluated {role}", value) for role, value in data["sources"].items()),
        *((f"Trained on {role}", value) for role, value in model["sources"].items()),
    ]
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in rows
    )


def _mistakes(mistakes: list[Mistake], wrong: int) -> str:
    if not mistakes:
        return "<p>None: every example was classified right.</p>"
    cards = "\n".join(_mistake(mistake) for mistake in mistakes)
    count = f"<p>The {len(mistakes)} most confident of {wrong:,}.</p>"
    return f'{count}\n<ul class="gallery">\n{cards}\n</ul>'


def _mistake(mistake: Mistake) -> str:
    source = base64.b64encode(to_png(mistake.image)).decode()
    return (
        f'<li><img src="data:image/png;base64,{source}" alt="example {mistake.index}">'
        f"<span><b>{mistake.label}</b> taken for <b>{mistake.predicted}</b></span>"
        f"<small>{_percent(mistake.confidence)} sure</small>"
        f"<small>no. {mistake.index:,}</small></li>"
    )


def _baseline(baseline: dict[str, Any] | None) -> str:
    if baseline is None:
        return ""
    worse = baseline["p_value"] < baseline["alpha"]
    verdict = "worse" if worse else "not worse"
    return (
        f'<p class="{"wrong" if worse else "right"}">Significantly <b>{verdict}</b> than the '
        f"baseline with {_percent(baseline['accuracy'], 2)}: {baseline['lost']:,} examples lost, "
        f"{baseline['won']:,} won, p = {baseline['p_value']:.2g} (McNemar, exact, one-sided).</p>"
    )


def _classes(facts: dict[str, Any]) -> str:
    rows = [
        (str(label), f"{figures['support']:,}", figures, part)
        for label, (figures, part) in enumerate(zip(facts["classes"], facts["slices"], strict=True))
    ]
    means = {"loss": facts["loss"], "confidence": _mean_confidence(facts["slices"])}
    rows.append(("Mean", f"{facts['num_examples']:,}", facts["macro"], means))
    return "\n".join(
        f"<tr><th scope='row'>{name}</th>"
        + "".join(f"<td>{_percent(figures[key])}</td>" for key in ("precision", "recall", "f1"))
        + (
            "<td class='wide'></td><td class='wide'></td>"
            if part["loss"] is None
            else f"<td class='wide'>{part['loss']:.3f}</td>"
            f"<td class='wide'>{_percent(part['confidence'])}</td>"
        )
        + f"<td>{support}</td></tr>"
        for name, support, figures, part in rows
    )


def _mean_confidence(slices: list[dict[str, Any]]) -> float:
    sums = (part["num_examples"] * part["confidence"] for part in slices if part["num_examples"])
    mean: float = sum(sums) / sum(part["num_examples"] for part in slices)
    return mean


def _matrix(matrix: list[list[int]]) -> str:
    if len(matrix) > _MOST_CLASSES_OF_MATRIX:
        return f"<p>{len(matrix):,} classes: see metrics.json.</p>"
    head = "".join(f"<th scope='col'>{label}</th>" for label in range(len(matrix)))
    most_wrong = max(
        (n for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j), default=0
    )
    rows = "\n".join(
        f"<tr><th scope='row'>{label}</th>"
        + "".join(_cell(label, other, n, sum(row), most_wrong) for other, n in enumerate(row))
        + "</tr>"
        for label, row in enumerate(matrix)
    )
    head = f"<thead><tr><td></td>{head}</tr></thead>"
    size = " small" if len(matrix) > _MOST_CLASSES_OF_A_WIDTH else ""
    return f'<table class="matrix{size}">\n{head}\n<tbody>\n{rows}\n</tbody>\n</table>'


def _cell(label: int, predicted: int, count: int, support: int, most_wrong: int) -> str:
    if not count:
        return "<td></td>"
    # Errors are few beside the diagonal: each has its own scale, or they would all look white.
    share = count / support if label == predicted else math.sqrt(count / most_wrong)
    kind = "right" if label == predicted else "wrong"
    strong = " strong" if share > 0.6 else ""
    title = f"{count:,} of {support:,} with label {label} classified as {predicted}"
    return f'<td class="{kind}{strong}" style="--share:{share:.3f}" title="{title}">{count:,}</td>'


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}\u202f%"
