"""Whether images look inverted or lie on their side, from their mean: a guess, so a warning."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.validate.pixels import PixelFacts

# Share of the pixels' range that the border is above, and by which it is brighter than the middle.
_BRIGHT_BORDER = 0.6
_BRIGHTER = 0.1
_DARK_BORDER = 0.25
# Horizontal over vertical spread of the bright pixels. Upright digits and letters are taller than
# wide: MNIST has 0.56. On their side they have the inverse.
_WIDE = 1.25
_FEWEST_IMAGES = 50
_SMALLEST = 8


def inverted(facts: PixelFacts) -> float | None:
    """Return the mean of the border, as a share of the range, if grey images look inverted."""
    mean = _scaled(facts)
    if mean is None:
        return None
    border = _border(mean)
    if border > _BRIGHT_BORDER and border - float(mean.mean()) > _BRIGHTER:
        return border
    return None


def transposed(facts: PixelFacts) -> bool:
    """Tell whether square grey images on a dark ground look as if they lay on their side."""
    return _width(facts) > _WIDE


def upright(facts: PixelFacts) -> bool:
    """Tell whether square grey images on a dark ground look upright."""
    return 0 < _width(facts) < 1 / _WIDE


def _width(facts: PixelFacts) -> float:
    """Return how wide signs are for their height; 0 if that cannot be told."""
    mean = _scaled(facts)
    if mean is None or mean.shape[0] != mean.shape[1] or _border(mean) > _DARK_BORDER:
        return 0.0
    return _spread(mean.sum(axis=0)) / max(_spread(mean.sum(axis=1)), 1e-9)


def _scaled(facts: PixelFacts) -> NDArray[Any] | None:
    """Return the mean image in 0 to 1; None if there is too little to tell anything from."""
    mean = facts.mean
    grey = mean.ndim == 2 or mean.shape[2] == 1
    if not grey or facts.images < _FEWEST_IMAGES or min(mean.shape[:2]) < _SMALLEST:
        return None
    if facts.maximum <= facts.minimum:
        return None
    grey_mean: NDArray[Any] = mean.reshape(mean.shape[:2])
    return (grey_mean - facts.minimum) / (facts.maximum - facts.minimum)


def _border(mean: NDArray[Any]) -> float:
    return float(np.concatenate([mean[0], mean[-1], mean[1:-1, 0], mean[1:-1, -1]]).mean())


def _spread(weights: NDArray[Any]) -> float:
    places = np.arange(len(weights))
    total = weights.sum()
    centre = (weights * places).sum() / total
    return float((weights * (places - centre) ** 2).sum() / total)
