import numpy as np
import pytest
from sklearn.datasets import load_digits

from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.idx.header import Header
from idxpipe.components.validate import appearance
from idxpipe.components.validate.pixels import Pixels


def facts(images):
    seen = Pixels(Header(images.dtype.name, images.shape))
    seen(np.ascontiguousarray(images).tobytes(), 16)
    return seen.facts()


@pytest.fixture(scope="module")
def mnist():
    content = b"".join(read_chunks("data/mnist/t10k-images-idx3-ubyte.gz"))
    return np.frombuffer(content[16:], np.uint8).reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def digits():
    return load_digits().images.astype(np.uint8)


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_upright_digits_look_upright(name, request):
    images = request.getfixturevalue(name)
    assert appearance.upright(facts(images))
    assert not appearance.transposed(facts(images))
    assert appearance.inverted(facts(images)) is None


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_digits_on_their_side_look_transposed(name, request):
    images = request.getfixturevalue(name).swapaxes(1, 2)
    assert appearance.transposed(facts(images))
    assert not appearance.upright(facts(images))


def test_dark_digits_on_white_look_inverted(mnist):
    assert appearance.inverted(facts(255 - mnist)) > 0.9


@pytest.mark.parametrize("shape", [(40, 28, 28), (200, 4, 4), (200, 28, 28, 3), (200, 28, 14)])
def test_nothing_is_said_of_too_few_too_small_or_coloured_images(shape):
    wide = np.zeros(shape, np.uint8)
    wide[:, shape[1] // 2, :] = 200
    assert not appearance.transposed(facts(wide))
    assert not appearance.upright(facts(wide))
