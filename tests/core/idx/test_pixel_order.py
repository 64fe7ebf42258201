import itertools

import numpy as np
import pytest

from idxpipe.components.core.idx.pixel_order import PixelOrder


@pytest.mark.parametrize(
    ("transposed", "channels_first", "flattened"), list(itertools.product([False, True], repeat=3))
)
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_every_order_is_turned_upright(transposed, channels_first, flattened, shape):
    images = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8)
    order = PixelOrder(transposed, channels_first, flattened, shape)
    stored = images
    if transposed:
        stored = stored.swapaxes(1, 2)
    if channels_first and len(shape) == 3:
        stored = np.moveaxis(stored, -1, 1)
    assert order.stored(shape) == stored.shape[1:]
    stored = np.ascontiguousarray(stored)
    if flattened:
        stored = stored.reshape(4, -1)
    assert order.upright(stored.shape[1:]) == shape
    assert (order.turn(stored, stored.shape[1:]) == images).all()


def test_rows_of_pixels_are_squares_if_nothing_else_is_said():
    assert PixelOrder(flattened=True).upright((784,)) == (28, 28)
    # A row that is no square, or of another shape, is left what it is.
    assert PixelOrder(flattened=True).upright((785,)) == (785,)
    assert PixelOrder(flattened=True, shape=(4, 4)).upright((784,)) == (784,)
    assert PixelOrder().upright((784,)) == (784,)


def test_of_the_usual_order_no_byte_is_moved():
    images = np.zeros((2, 3, 4), np.uint8)
    assert PixelOrder().is_usual
    assert np.shares_memory(PixelOrder().turn(images, (3, 4)), images)
