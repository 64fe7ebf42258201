"""What the page draws: bar charts, samples of a class side by side, and the mean of all images."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.report.png import data_uri
from idxpipe.components.core.report.svg import Chart, short
from idxpipe.components.validate.pixels import THUMBNAIL, PixelFacts

if TYPE_CHECKING:
    from markupsafe import Markup

Array = NDArray[Any]

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


def strip(samples: list[Array], columns: int, facts: PixelFacts, transposed: bool) -> str:
    """Return images side by side, as a data URI.

    Args:
        samples: [H, W] or [H, W, C] each, of one shape.
        columns: Places for them; those that are left stay black.
        facts: Of their split: its darkest and brightest pixels are black and white.
        transposed: Whether to turn them upright.
    """
    shades = [_shades(image, facts.minimum, facts.maximum, transposed) for image in samples]
    blank = np.zeros_like(shades[0])
    shades += [blank] * (columns - len(shades))
    # A line between them, of which there is none after the last.
    gap = np.zeros((blank.shape[0], 1, *blank.shape[2:]), np.uint8)
    parts = [part for image in shades for part in (image, gap)][:-1]
    return data_uri(np.concatenate(parts, axis=1))


def picture(image: Array, low: float, high: float, transposed: bool) -> str:
    """Return one image as a data URI, `low` black and `high` white; arguments as in `strip`."""
    step = -(-max(image.shape[:2]) // (4 * THUMBNAIL))
    return data_uri(_shades(image[::step, ::step], low, high, transposed))


def _shades(image: Array, low: float, high: float, transposed: bool) -> Array:
    """Return uint8 [H, W], or [H, W, 3] where there are three channels; else the first is shown."""
    if image.ndim == 3:
        image = image[..., :3] if image.shape[2] >= 3 else image[..., 0]
    if transposed:
        image = image.swapaxes(0, 1)
    values = np.nan_to_num(image.astype(np.float64), nan=low, posinf=high, neginf=low)
    scaled: Array = (values - low) * (255 / ((high - low) or 1.0))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
