import io

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.report.png import encode_png


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (4, 3, 3), (64, 100, 3)])
def test_pillow_reads_the_same_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        image.verify()
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
