import numpy as np
import pytest

from idxpipe.components.core.idx import look


def signs(height, width, count=60, low=0, high=255):
    images = np.full((count, 28, 28), low, np.uint8)
    images[:, 14 - height : 14 + height, 14 - width : 14 + width] = high
    return images


def test_which_way_round_signs_are():
    assert look.is_tall(look.look_of(signs(10, 4)))
    assert look.is_wide(look.look_of(signs(4, 10)))
    square = look.look_of(signs(7, 7))
    assert not look.is_tall(square)
    assert not look.is_wide(square)


def test_the_ground():
    dark, bright = look.look_of(signs(10, 4)), look.look_of(signs(10, 4, low=255, high=0))
    assert look.is_dark(dark)
    assert not look.is_inverted(dark)
    assert look.is_inverted(bright)
    assert not look.is_dark(bright)
    assert not look.is_wide(bright)


@pytest.mark.parametrize(
    "images", [signs(10, 4, count=49), np.zeros((60, 7, 7), np.uint8), signs(9, 9, low=9, high=9)]
)
def test_too_little_to_tell_anything_from(images):
    found = look.look_of(images)
    assert not any(tell(found) for tell in (look.is_tall, look.is_wide, look.is_inverted))


def test_scales():
    assert look.scales_differ((0, 1), (0, 255))
    assert look.scales_differ((0.0, 255.0), (-1.0, 1.0))
    assert not look.scales_differ((0, 240), (0, 255))
