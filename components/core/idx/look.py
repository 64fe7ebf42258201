"""What images look like, from their mean: which way round they are, and how bright their border is.

A guess, for images whose signs stand on a ground: so what follows from it is a warning.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of the pixels' range that the border is above, and by which it is brighter than the middle.
_BRIGHT_BORDER = 0.6
_BRIGHTER = 0.1
_DARK_BORDER = 0.25
# That of signs with room around them; what fills its image, such as an animal, is no sign.
_SIGN_BORDER = 0.1
_ROOM = 16
# Horizontal over vertical spread of the bright pixels. Upright digits and letters are taller than
# wide: MNIST has 0.56. On their side they have the inverse.
_WIDE = 1.25
FEWEST_IMAGES = 50
_SMALLEST = 8
# Mean brightness below which there are no signs to tell from; MNIST has 0.13, a thin stroke 0.02.
_FAINT = 0.005
# Ranges of the same pixels, seen in two samples, differ by less.
_SCALE = 4.0


def look_of_mean(mean: "NDArray[Any]", low: float, high: float) -> dict[str, float]:
    """Return what a mean of images looks like; nothing if there is too little to tell from.

    Args:
        mean: [H, W] or [H, W, C].
        low: The smallest pixel.
        high: The largest.

    Returns:
        `border`, its brightness from 0 to 1; `middle`, that of all; and, of squares on a dark
        ground, `width`: how wide signs are for their height.
    """
    grey = mean.ndim == 2 or mean.shape[2] == 1
    if not grey or min(mean.shape[:2]) < _SMALLEST or high <= low:
        return {}
    unit = (mean.reshape(mean.shape[:2]) - low) / (high - low)
    edge = (*unit[0], *unit[-1], *unit[1:-1, 0], *unit[1:-1, -1])
    look = {"border": float(sum(edge) / len(edge)), "middle": float(unit.mean())}
    square = unit.shape[0] == unit.shape[1]
    margin = _DARK_BORDER if len(unit) < _ROOM else _SIGN_BORDER
    if square and look["border"] <= margin and look["middle"] >= _FAINT:
        look["width"] = _spread(unit.sum(axis=0)) / max(_spread(unit.sum(axis=1)), 1e-9)
    return look


def look_of(
    images: "NDArray[Any]", pixel_range: tuple[float, float] | None = None
) -> dict[str, float]:
    """Return what images look like, as `look_of_mean` does; nothing of a few.

    Args:
        images: [N, H, W] or [N, H, W, C], upright.
        pixel_range: Their darkest and brightest pixel; None looks for them.
    """
    import numpy as np

    if len(images) < FEWEST_IMAGES:
        return {}
    values = np.nan_to_num(images.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = pixel_range or (float(values.min()), float(values.max()))
    return {name: round(v, 4) for name, v in look_of_mean(values.mean(axis=0), low, high).items()}


def is_inverted(look: Mapping[str, float]) -> bool:
    """Tell whether the ground looks bright."""
    return is_bright(look) and look["border"] - look["middle"] > _BRIGHTER


def is_bright(look: Mapping[str, float]) -> bool:
    """Tell whether the border is bright, however little there is on the ground."""
    return look.get("border", 0.0) > _BRIGHT_BORDER


def is_dark(look: Mapping[str, float]) -> bool:
    """Tell whether the ground looks dark."""
    return look.get("border", 1.0) <= _DARK_BORDER


def is_wide(look: Mapping[str, float]) -> bool:
    """Tell whether signs look as if they lay on their side."""
    return look.get("width", 0.0) > _WIDE


def is_tall(look: Mapping[str, float]) -> bool:
    """Tell whether signs look upright."""
    return 0 < look.get("width", 0.0) < 1 / _WIDE


def scales_differ(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Tell whether two ranges of pixels cannot be of the same scale."""
    small, large = sorted(high - low for low, high in (one, other))
    return large > _SCALE * small


def _spread(weights: "NDArray[Any]") -> float:
    import numpy as np

    places = np.arange(len(weights))
    total = weights.sum()
    if not total:
        return 0.0
    centre = (weights * places).sum() / total
    return float((weights * (places - centre) ** 2).sum() / total)
