"""Pictures for the page: samples of a class side by side, and the mean of all images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.report.png import data_uri
from idxpipe.components.validate.pixels import THUMBNAIL, PixelFacts

Array = NDArray[Any]


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
