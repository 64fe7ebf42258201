import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.convert.plan import TARGET_SHARD_BYTES, choose_num_shards, shard_ranges
from components.core.errors import UsageError
from components.core.idx import Header

MNIST = Header("uint8", (60_000, 28, 28))


@given(st.integers(1, 10_000), st.data())
def test_ranges_cover_every_record_once_and_none_is_empty(examples, data):
    shards = data.draw(st.integers(1, examples))
    ranges = shard_ranges(examples, shards)
    assert len(ranges) == shards
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert ranges[-1][1] == examples
    sizes = {stop - start for start, stop in ranges}
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_auto_aims_at_the_target_size():
    assert choose_num_shards(0, MNIST) == 1
    large = Header("uint8", (10_000_000, 28, 28))
    shards = choose_num_shards(0, large)
    assert large.content_bytes / shards <= TARGET_SHARD_BYTES
    assert large.content_bytes / (shards - 1) > TARGET_SHARD_BYTES
    assert choose_num_shards(0, Header("float64", (1, 10**5, 10**5))) == 1


def test_what_is_asked_is_taken_unless_a_shard_would_be_empty():
    assert choose_num_shards(7, MNIST) == 7
    with pytest.raises(UsageError, match="more shards than examples"):
        choose_num_shards(6, Header("uint8", (5, 28, 28)))
