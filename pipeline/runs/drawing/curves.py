"""Line charts: how something changed, for one or several series on one scale."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from idxpipe.components.core.report.svg import Chart, short

if TYPE_CHECKING:
    from markupsafe import Markup

_ROW = 14
_TICKS = 5
# Of a curve; more points than a screen has are not seen.
_POINTS = 400

Series = tuple[str, Sequence[tuple[float, float]]]


def line_chart(name: str, axis: str, lines: Sequence[Series]) -> "Markup":
    """Return a chart with a line for each series of points, and a legend if there are several.

    Args:
        name: For those who cannot see it.
        axis: What the horizontal axis counts.
        lines: Label, and points from left to right, of each; at least one point in all.
    """
    from markupsafe import escape

    first = min(series[0][0] for _, series in lines)
    last = max(series[-1][0] for _, series in lines)
    values = [value for _, series in lines for _, value in series]
    low, high = min(values), max(values)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    low, high = low - margin, high + margin
    legend = lines if len(lines) > 1 else []
    below = 150 + _ROW * len(legend)
    chart = Chart(height=below + 40, bottom=below, top=8.0 + _ROW * len(legend))
    marks = [
        f'<text class="curve{number}" x="{chart.left:g}" y="{4 + _ROW * (number + 1) - 4}">'
        f"{escape(label)}</text>"
        for number, (label, _) in enumerate(legend)
    ]
    for number, (_, series) in enumerate(lines):
        # The last point is where it ended, and always shown.
        shown = [*series[: -1 : max(1, len(series) // _POINTS)], series[-1]]
        places = " ".join(
            f"{chart.x((at - first) / ((last - first) or 1)):.1f},"
            f"{chart.y((value - low) / (high - low)):.1f}"
            for at, value in shown
        )
        kind = f"curve{number}"
        if len(series) == 1:
            # A line needs two ends; of this one, only the round caps are seen.
            kind, places = f"{kind} point", f"{places} {places}"
        marks.append(f'<polyline class="{kind}" points="{places}" fill="none"/>')
    marks += [
        chart.below(chart.x((at - first) / ((last - first) or 1)), short(at) if at else "0")
        for at in round_ticks(first, last, whole=True)
    ]
    marks.append(chart.below(chart.x(0.5), axis, row=1))
    ticks = [((at - low) / (high - low), f"{at:.5g}") for at in round_ticks(low, high)]
    return chart.draw(name, ticks, marks)


def round_ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Return round numbers between two others, by steps of 1, 2 or 5 times a power of ten.

    Args:
        low: The least that is returned.
        high: The largest that is returned.
        whole: Whether only whole numbers will do.
    """
    rough = (high - low) / _TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    ticks = (step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1))
    return [round(at, 12) for at in ticks]
