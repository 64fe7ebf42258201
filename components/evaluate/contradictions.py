"""Whether images given to a model look as those that it was trained on: what validate would say."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.codes import Code
from idxpipe.components.core.idx import look
from idxpipe.components.core.model import ModelCard

# So many images tell all that there is to tell.
_LOOKED_AT = 1000


def contradictions(
    images: Iterator[NDArray[np.generic]], card: ModelCard, *, inverted: bool = False
) -> Iterator[str]:
    """Yield a line for each thing in which images look unlike those of the training.

    Args:
        images: [*image_shape] each, as the model is to get them.
        card: What it says of its training images.
        inverted: Whether they were inverted for it.
    """
    some = [np.array(image) for image in itertools.islice(images, _LOOKED_AT)]
    if not some:
        return
    taken = np.stack(some)
    # The ground is seen on a single image, which way round signs are is not.
    given = look.look_of(np.resize(taken, (max(len(taken), look.FEWEST_IMAGES), *taken.shape[1:])))
    for here, there, what in (
        # Thin strokes darken bright paper little; the model's side is known.
        (look.is_bright, look.is_dark, "bright"),
        (look.is_dark, look.is_inverted, "dark"),
    ):
        if here(given) and there(card.look):
            yield _line(
                Code.INVERTED,
                f"images are on a {what} ground, those of the training were not",
                "leave out --invert (Python: invert=False)"
                if inverted
                else "give --invert (Python: invert=True)",
            )
    ways = look.is_wide, look.is_tall
    for here, there in (ways, ways[::-1]):
        if len(some) >= look.FEWEST_IMAGES and here(given) and there(card.look):
            turned = bool(card.layout.get("transposed"))
            yield _line(
                Code.TRANSPOSED,
                "images lie the other way than those of the training"
                + (", once turned as its files were" if turned else ""),
                "give --layout upright (Python: layout='upright')"
                if turned
                else "turn them as the training images were",
            )
    yield from _scale(taken, card)


def _scale(images: NDArray[np.generic], card: ModelCard) -> Iterator[str]:
    values = images.astype(np.float64)
    values = values[np.isfinite(values)]
    low, high = card.pixel_range or (0.0, 255.0)
    if not values.size or (card.pixel_range is None and card.image_dtype != "uint8"):
        return
    found = float(values.min()), float(values.max())
    sliver = found[1] - found[0] < (high - low) / _SLIVER and len(images) >= look.FEWEST_IMAGES
    beyond = max(found[1] - high, low - found[0]) > high - low
    if beyond or (sliver and found[0] < found[1]):
        yield _line(
            Code.PIXEL_RANGE,
            f"pixels are from {found[0]:g} to {found[1]:g}, those of the training from {low:g} to "
            f"{high:g}",
            "scale them as the training images were",
        )


_SLIVER = 16


def _line(code: Code, what: str, remedy: str) -> str:
    return f"warning {code}: {what}; to do: {remedy}"
