import numpy as np
import pytest

from idxpipe.components.convert.look import ShardLook


def bytes_of(values):
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def test_bytes_have_a_range_already():
    for dtype in ("uint8", "int8"):
        look = ShardLook(dtype)
        look(bytes_of(np.zeros((3, 4), dtype)), np.arange(3))
        assert look.pixel_range is None


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8"])
def test_the_range_of_all_that_was_seen(dtype):
    look = ShardLook(np.dtype(dtype).name)
    look(bytes_of(np.array([[1, 5], [7, 2]], dtype)), np.array([0, 0]))
    look(bytes_of(np.array([[-3, 4]], dtype)), np.array([1]))
    assert look.pixel_range == (-3.0, 7.0)


def test_what_is_not_finite_is_left_out():
    look = ShardLook("float32")
    look(bytes_of(np.array([[np.nan, 2.0], [np.inf, -1.0]], np.float32)), np.array([0, 1]))
    assert look.pixel_range == (-1.0, 2.0)
    nothing = ShardLook("float64")
    nothing(bytes_of(np.full((1, 2), np.nan)), np.array([0]))
    assert nothing.pixel_range is None


def test_runs_go_on_from_one_call_to_the_next():
    look = ShardLook("uint8")
    for labels in ([3, 3, 4], [4, 4], [5, 3]):
        look(np.zeros((len(labels), 1), np.uint8), np.array(labels))
    assert look.runs == 4
