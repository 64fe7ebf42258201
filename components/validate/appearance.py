"""Whether images look inverted or lie on their side, from their mean: a guess, so a warning."""

from idxpipe.components.core.idx import look
from idxpipe.components.validate.pixels import PixelFacts


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
