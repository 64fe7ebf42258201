"""Whether images look inverted or lie on their side: a guess, so a warning."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.idx import look
from idxpipe.components.validate.pixels import THUMBNAIL, PixelFacts

# How far pixels are from those a row below, relative to those two places beside these. Where rows
# are as long as the header says it was 0.4 to 0.5 of handwritten digits, 0.5 to 0.8 of patches of
# photographs; where they are not it is about 1, as it is of noise.
_SHEARED = 0.95
_ALIGNED = 0.85
_BESIDE = 2
_NARROWEST = 6
_FEWEST_SAMPLES = 10


def look_of(facts: PixelFacts) -> dict[str, float]:
    """Return what the images of a split look like as stored; nothing of a few."""
    if facts.images < look.FEWEST_IMAGES:
        return {}
    return look.look_of_mean(facts.mean, facts.minimum, facts.maximum)


def inverted(facts: PixelFacts) -> float | None:
    """Return the mean of the border, as a share of the range, if grey images look inverted."""
    found = look_of(facts)
    return found["border"] if look.is_inverted(found) else None


def transposed(facts: PixelFacts) -> bool:
    """Tell whether square grey images on a dark ground look as if they lay on their side."""
    return look.is_wide(look_of(facts))


def upright(facts: PixelFacts) -> bool:
    """Tell whether square grey images on a dark ground look upright."""
    return look.is_tall(look_of(facts))


def sides_swapped(facts: PixelFacts) -> bool:
    """Tell whether images look as if the header had their width before their height.

    Rows are then of the wrong length, and what stands upright is sheared over them.
    """
    height, width = facts.mean.shape[:2]
    # Of larger images, samples are thinned out.
    if height == width or min(height, width) < _NARROWEST or max(height, width) > THUMBNAIL:
        return False
    if len(facts.samples) < _FEWEST_SAMPLES:
        return False
    images = np.stack([image.reshape(height, width, -1) for image in facts.samples.values()])
    rows = images.mean(axis=-1).reshape(len(images), -1)
    return _unlike_next_row(rows, width) > _SHEARED and _unlike_next_row(rows, height) < _ALIGNED


def _unlike_next_row(rows: NDArray[Any], width: int) -> float:
    """Return how far pixels are from those below them, relative to those beside these.

    Args:
        rows: float64 [N, H * W].
        width: How long a row of an image is taken to be.
    """

    def away(places: int) -> float:
        return float(np.abs(rows[:, places:] - rows[:, :-places]).mean())

    beside = min(away(width - _BESIDE), away(width + _BESIDE))
    return away(width) / beside if beside else 0.0
