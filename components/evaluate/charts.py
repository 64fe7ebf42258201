"""The report's charts as inline SVG: drawn for a phone's width, styled by the page."""

import math
from typing import Any

# Of the drawing, in its own units: about a phone's pixels.
_WIDTH, _HEIGHT = 340.0, 250.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 40.0, 8.0, 332.0, 210.0

Bins = list[dict[str, Any]]


def reliability_diagram(bins: Bins) -> str:
    """Return a bar per bin with examples, as high as its accuracy, under the diagonal.

    Args:
        bins: As in metrics.json: low, high, count, right, accuracy, confidence.
    """
    marks = []
    for b in bins:
        if not b["count"]:
            continue
        title = (
            f"confidence {_range(b)}: {b['right']:,} of {b['count']:,} right, "
            f"{100 * b['accuracy']:.1f} % at {100 * b['confidence']:.1f} % mean confidence"
        )
        x, middle = _x(b["low"]) + 1, _x(b["confidence"])
        width = _x(b["high"]) - _x(b["low"]) - 2
        marks.append(_bar(x, width, b["accuracy"], "right", title))
        # What the gap between confidence and accuracy adds up to is the calibration error.
        marks.append(_line(middle, _y(b["accuracy"]), middle, _y(b["confidence"]), "gap"))
    marks.append(_line(_x(0), _y(0), _x(1), _y(1), "ideal"))
    ticks = [(share, f"{round(100 * share)} %") for share in (0, 0.25, 0.5, 0.75, 1)]
    return _chart("Accuracy by confidence", ticks, marks)


def confidence_histogram(bins: Bins) -> str:
    """Return two bars per bin, right and wrong examples, on a logarithmic scale.

    Args:
        bins: As in metrics.json.
    """
    decades = math.ceil(math.log10(max(b["count"] for b in bins) + 1)) or 1

    def height(count: int) -> float:
        # One example is visible, none is not.
        return math.log10(count * 9 + 1) / math.log10(10**decades * 9 + 1) if count else 0.0

    marks = []
    for b in bins:
        half = (_x(b["high"]) - _x(b["low"])) / 2 - 1
        wrong = b["count"] - b["right"]
        for kind, count, x in (
            ("right", b["right"], _x(b["low"]) + 1),
            ("wrong", wrong, _x(b["low"]) + 1 + half),
        ):
            title = f"confidence {_range(b)}: {count:,} {kind}"
            marks.append(_bar(x, half, height(count), kind, title) if count else "")
    ticks = [(height(10**n), _short(10**n)) for n in range(decades + 1)]
    return _chart("Examples by confidence", ticks, marks)


def _chart(name: str, ticks: list[tuple[float, str]], marks: list[str]) -> str:
    grid = "".join(
        _line(_LEFT, _y(share), _RIGHT, _y(share), "grid")
        + f'<text x="{_LEFT - 5:g}" y="{_y(share) + 4:.1f}" class="end">{text}</text>'
        for share, text in ticks
    )
    across = "".join(
        f'<text x="{_x(share):.1f}" y="{_BOTTOM + 16:g}" class="middle">{share:g}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{name}">'
        f"{grid}{across}"
        f'<text x="{(_LEFT + _RIGHT) / 2:g}" y="{_BOTTOM + 34:g}" class="middle">Confidence</text>'
        f"{''.join(marks)}</svg>"
    )


def _x(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _bar(x: float, width: float, share: float, kind: str, title: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{_y(share):.1f}" width="{width:.1f}" '
        f'height="{_y(0) - _y(share):.1f}" class="{kind}"><title>{title}</title></rect>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _range(b: dict[str, Any]) -> str:
    return f"{b['low']:.3f} to {b['high']:.3f}"


def _short(count: int) -> str:
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count // size}{unit}"
    return str(count)
