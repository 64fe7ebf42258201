"""The page's bar charts."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from idxpipe.components.core.report.svg import Chart, short

if TYPE_CHECKING:
    from markupsafe import Markup

_CHART = Chart(height=184.0, bottom=140.0, top=24.0, right=336.0)
_FEWEST_LABELS = 10


def bars(
    name: str,
    counts: Sequence[int],
    labels: Sequence[str],
    axes: tuple[str, str],
    logarithmic: bool = False,
) -> "Markup":
    """Return a bar for each count, from zero up.

    Args:
        name: Of the chart, for those who cannot see it.
        counts: Heights.
        labels: Below the bars; where there are many, some of them.
        axes: What the heights count, and what a label stands for.
        logarithmic: Whether heights are of the logarithm of the count plus one.
    """
    c = _CHART
    most = max(counts, default=0) or 1
    scale = math.log1p if logarithmic else float
    half = math.expm1(math.log1p(most) / 2) if logarithmic else most / 2
    width = (c.right - c.left) / len(counts)
    every = -(-len(counts) // _FEWEST_LABELS) if len(counts) > 2 * _FEWEST_LABELS else 1
    gap = min(2.0, width / 5)
    marks = []
    for place, (count, label) in enumerate(zip(counts, labels, strict=True)):
        x = c.left + place * width
        title = f"{axes[1]} {label}: {count:,}"
        # One of a million is visible, none is not.
        least = 1.0 if count else 0.0
        height = scale(count) / scale(most)
        marks.append(c.bar(x + gap / 2, width - gap, height, title, least=least))
        # The last one would be cut off at the edge.
        if place % every == 0 and (every == 1 or x < c.right - 16):
            marks.append(c.below(x + width / 2, label))
    marks += [c.above(axes[0]), c.below(c.x(0.5), axes[1].capitalize(), row=1)]
    return c.draw(name, [(1, short(most)), (0.5, short(half)), (0, "0")], marks)
