"""Bar charts as inline SVG: drawn for a phone's width, styled by the page."""

import math
from collections.abc import Sequence
from html import escape

# Of the drawing, in its own units: about a phone's pixels.
_WIDTH, _HEIGHT = 340.0, 150.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 40.0, 8.0, 336.0, 124.0
_FEWEST_LABELS = 10


def bars(
    name: str, counts: Sequence[int], labels: Sequence[str], what: str, logarithmic: bool = False
) -> str:
    """Return a bar for each count, from zero up.

    Args:
        name: Of the chart, for those who cannot see it.
        counts: Heights.
        labels: Below the bars; where there are many, some of them.
        what: What a label stands for, in the text that a pointer shows.
        logarithmic: Whether heights are of the logarithm of the count plus one.
    """
    most = max(counts, default=0) or 1
    scale = math.log1p if logarithmic else float
    half = math.expm1(math.log1p(most) / 2) if logarithmic else most / 2
    width = (_RIGHT - _LEFT) / len(counts)
    every = -(-len(counts) // _FEWEST_LABELS) if len(counts) > 2 * _FEWEST_LABELS else 1
    gap = min(2.0, width / 5)
    marks = []
    for place, (count, label) in enumerate(zip(counts, labels, strict=True)):
        x = _LEFT + place * width
        height = scale(count) / scale(most) * (_BOTTOM - _TOP)
        # One of a million is visible, none is not.
        height = max(height, 1.0) if count else 0.0
        marks.append(
            f'<rect x="{x + gap / 2:.2f}" y="{_BOTTOM - height:.2f}" width="{width - gap:.2f}" '
            f'height="{height:.2f}"><title>{escape(f"{what} {label}: {count:,}")}</title></rect>'
        )
        # The last one would be cut off at the edge.
        if place % every == 0 and (every == 1 or x < _RIGHT - 2 * _TOP):
            marks.append(
                f'<text x="{x + width / 2:.1f}" y="{_BOTTOM + 16:g}" class="middle">'
                f"{escape(label)}</text>"
            )
    grid = "".join(
        f'<line x1="{_LEFT:g}" y1="{y:.1f}" x2="{_RIGHT:g}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 5:g}" y="{y + 4:.1f}" class="end">{_short(value)}</text>'
        for value, y in ((most, _TOP), (half, (_TOP + _BOTTOM) / 2), (0, _BOTTOM))
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" '
        f'aria-label="{escape(name)}">{grid}{"".join(marks)}</svg>'
    )


def _short(count: float) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"
