"""The report's charts."""

import math
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.report.svg import Chart, short

if TYPE_CHECKING:
    from markupsafe import Markup

_CHART = Chart(height=266.0, bottom=226.0, top=24.0)

Bins = list[dict[str, Any]]


def reliability_diagram(bins: Bins) -> "Markup":
    """Return a bar per bin with examples, as high as its accuracy, under the diagonal.

    Args:
        bins: As in metrics.json: low, high, count, right, accuracy, confidence.
    """
    c = _CHART
    marks = []
    for b in bins:
        if not b["count"]:
            continue
        title = (
            f"confidence {_range(b)}: {b['right']:,} of {b['count']:,} right, "
            f"{100 * b['accuracy']:.1f} % at {100 * b['confidence']:.1f} % mean confidence"
        )
        x, middle = c.x(b["low"]) + 1, c.x(b["confidence"])
        width = c.x(b["high"]) - c.x(b["low"]) - 2
        marks.append(c.bar(x, width, b["accuracy"], title, "right"))
        # What the gap between confidence and accuracy adds up to is the calibration error.
        marks.append(c.line(middle, c.y(b["accuracy"]), middle, c.y(b["confidence"]), "gap"))
    marks.append(c.line(c.x(0), c.y(0), c.x(1), c.y(1), "ideal"))
    ticks = [(share, f"{round(100 * share)} %") for share in (0, 0.25, 0.5, 0.75, 1)]
    axes = [c.above("Accuracy"), *_confidence_axis()]
    return c.draw("Accuracy by confidence", ticks, [*axes, *marks])


def confidence_histogram(bins: Bins) -> "Markup":
    """Return two bars per bin, right and wrong examples, on a logarithmic scale.

    Args:
        bins: As in metrics.json.
    """
    c = _CHART
    decades = math.ceil(math.log10(max(b["count"] for b in bins) + 1)) or 1

    def height(count: int) -> float:
        # One example is visible, none is not.
        return math.log10(count * 9 + 1) / math.log10(10**decades * 9 + 1) if count else 0.0

    marks = []
    for b in bins:
        half = (c.x(b["high"]) - c.x(b["low"])) / 2 - 1
        counts = {"right": b["right"], "wrong": b["count"] - b["right"]}
        for place, (kind, count) in enumerate(counts.items()):
            x = c.x(b["low"]) + 1 + place * half
            title = f"confidence {_range(b)}: {count:,} {kind}"
            marks.append(c.bar(x, half, height(count), title, kind) if count else "")
    ticks = [(height(10**n), short(10**n)) for n in range(decades + 1)]
    axes = [c.above("Examples"), *_confidence_axis()]
    return c.draw("Examples by confidence", ticks, [*axes, *marks])


def _confidence_axis() -> list[str]:
    labels = [_CHART.below(_CHART.x(share), f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)]
    return [*labels, _CHART.below(_CHART.x(0.5), "Confidence", row=1)]


def _range(b: dict[str, Any]) -> str:
    return f"{b['low']:.3f} to {b['high']:.3f}"
