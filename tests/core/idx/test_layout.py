import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.layout import LayoutConfig, parse_range


def test_the_defaults_are_those_of_2018():
    assert LayoutConfig().shape == (28, 28)
    assert LayoutConfig().order.is_usual
    assert LayoutConfig().recorded() == {}
    assert LayoutConfig().num_classes == 10


def test_transposed_images_are_stored_the_other_way_round():
    config = LayoutConfig(image_shape="32x20x3", transposed=True)
    assert config.shape == (32, 20, 3)
    assert config.order.stored(config.shape) == (20, 32, 3)
    assert config.order.upright((20, 32, 3)) == (32, 20, 3)
    assert config.recorded() == {"transposed": True}


def test_what_becomes_0_and_1_for_a_network():
    assert parse_range("auto") is None
    assert parse_range("0,255") == (0.0, 255.0)
    assert LayoutConfig(pixel_range="-0.5,2.75").bounds == (-0.5, 2.75)


@pytest.mark.parametrize(
    "text", ["", "5", "1,1", "2,1", "0,nan", "0,inf", "-inf,0", "a,b", "1,2,3"]
)
def test_no_range_of_pixels(text):
    with pytest.raises(UsageError, match="not a range of pixels"):
        LayoutConfig(pixel_range=text)


@pytest.mark.parametrize(
    "values",
    [
        {"image_shape": "28"},
        {"label_column": -1},
        {"transposed": 1},
        {"num_classes": 2.0},
        {"one_hot": True, "label_column": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(values):
    with pytest.raises(UsageError):
        LayoutConfig(**values)
