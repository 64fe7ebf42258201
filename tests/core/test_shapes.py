import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.shapes import format_shape, parse_shape


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3), (1, 1)])
def test_round_trip(shape):
    assert parse_shape(format_shape(shape)) == shape


def test_auto_is_no_shape():
    assert parse_shape("auto") is None


@pytest.mark.parametrize("text", ["", "28", "28x", "0x28", "-1x28", "a x b", "1x2x3x4"])
def test_others_are_refused(text):
    with pytest.raises(UsageError, match="not an image shape"):
        parse_shape(text)
