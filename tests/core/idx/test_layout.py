import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.layout import LayoutConfig, upright


def test_the_defaults_are_those_of_2018():
    assert LayoutConfig().shape == LayoutConfig().stored_shape == (28, 28)
    assert LayoutConfig().num_classes == 10


def test_transposed_images_are_stored_the_other_way_round():
    config = LayoutConfig(image_shape="32x20x3", transposed=True)
    assert config.shape == (32, 20, 3)
    assert config.stored_shape == (20, 32, 3)
    assert LayoutConfig(image_shape="auto", transposed=True).stored_shape is None
    assert upright((20, 32, 3), transposed=True) == (32, 20, 3)
    assert upright((20, 32), transposed=False) == (20, 32)


@pytest.mark.parametrize(
    "values", [{"image_shape": "28"}, {"label_column": -1}, {"transposed": 1}, {"num_classes": 2.0}]
)
def test_what_cannot_be_meant_is_refused(values):
    with pytest.raises(UsageError):
        LayoutConfig(**values)
