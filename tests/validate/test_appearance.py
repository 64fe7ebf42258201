from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_images

from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.idx.header import Header
from idxpipe.components.validate import appearance
from idxpipe.components.validate.pixels import Pixels


def facts(images):
    seen = Pixels(Header(images.dtype.name, images.shape), range(64))
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


def photographs(shape, colour=False):
    """Return patches of photographs."""
    random = np.random.default_rng(0)
    found = []
    for image in load_sample_images().images:
        photo = image if colour else image.mean(axis=-1).astype(np.uint8)
        for _ in range(100):
            place = [random.integers(0, n - m) for n, m in zip(photo.shape, shape, strict=False)]
            found.append(photo[place[0] : place[0] + shape[0], place[1] : place[1] + shape[1]])
    return np.stack(found)


def clothes():
    """Draw what Fashion-MNIST has ten classes of; shoes and bags among it are wide."""
    outlines = (
        "18,2 38,2 40,54 31,54 28,18 25,54 16,54",  # trousers
        *["16,2 40,2 54,28 46,32 40,14 40,54 16,54 16,14 10,32 2,28"] * 2,  # shirts
        *["16,2 40,2 52,54 46,54 38,16 40,54 16,54 18,16 10,54 4,54"] * 2,  # coats, pullovers
        "22,2 34,2 40,54 16,54",  # dresses
        *["2,38 14,20 24,28 52,32 54,40 2,40"] * 2,  # sandals, sneakers
        "8,4 26,4 26,34 54,38 54,52 6,52",  # boots
        "6,18 16,18 22,6 34,6 40,18 50,18 50,48 6,48",  # bags
    )
    random = np.random.default_rng(0)
    found = []
    for outline in outlines * 10:
        picture = Image.new("L", (56, 56))
        points = [tuple(map(int, pair.split(","))) for pair in outline.split()]
        shade = int(random.integers(90, 256))
        ImageDraw.Draw(picture).polygon(points, fill=shade)
        found.append(np.asarray(picture.resize((28, 28), Image.Resampling.BILINEAR)))
    return np.stack(found)


def animals():
    """Draw bodies on legs, which fill their image and are wide."""
    random = np.random.default_rng(0)
    found = np.zeros((100, 28, 28), np.uint8)
    for image in found:
        top, legs = random.integers(6, 10), random.integers(2, 6)
        image[top : top + 9] = 200
        image[top + 9 : top + 15, legs::9] = 200
    return found


def nearly_constant(low, high, odd=None):
    images = np.random.default_rng(0).integers(low, high + 1, (300, 28, 28)).astype(np.uint8)
    if odd is not None:
        images[5, 3, 3] = odd
    return images


@pytest.mark.parametrize(
    "make",
    [
        partial(photographs, (28, 28)),
        partial(photographs, (32, 32), colour=True),
        partial(photographs, (24, 32)),
        partial(photographs, (64, 40), colour=True),
        clothes,
        animals,
        partial(nearly_constant, 0, 1),
        partial(nearly_constant, 254, 255),
        partial(nearly_constant, 7, 7),
        partial(nearly_constant, 0, 0, odd=255),
        partial(nearly_constant, 255, 255, odd=0),
        partial(nearly_constant, 0, 255),
    ],
)
def test_nothing_is_said_of_photographs_clothes_and_what_is_nearly_constant(make):
    seen = facts(make())
    assert appearance.inverted(seen) is None
    assert not appearance.transposed(seen)
    assert not appearance.sides_swapped(seen)
    if make is not clothes:
        assert not appearance.upright(seen)


@pytest.mark.parametrize("shape", [(20, 28), (28, 24), (18, 27), (10, 28)])
def test_rows_of_the_wrong_length_are_told_by_what_is_sheared(mnist, shape):
    right = mnist[:100, : shape[0], : shape[1]]
    assert not appearance.sides_swapped(facts(right))
    assert appearance.sides_swapped(facts(np.ascontiguousarray(right).reshape(-1, *shape[::-1])))
