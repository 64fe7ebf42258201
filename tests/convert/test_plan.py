import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.convert.plan import TARGET_SHARD_BYTES, choose_num_shards, shard_sizes
from idxpipe.components.core.errors import UsageError


@given(st.integers(1, 10_000), st.data())
def test_sizes_sum_up_to_all_examples_and_differ_by_one_at_most(examples, data):
    shards = data.draw(st.integers(1, examples))
    sizes = shard_sizes(examples, shards)
    assert (len(sizes), sum(sizes)) == (shards, examples)
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_auto_aims_at_the_target_size():
    assert choose_num_shards(0, 60_000, 784) == 1
    shards = choose_num_shards(0, 10_000_000, 784)
    assert 7_840_000_000 / shards <= TARGET_SHARD_BYTES
    assert 7_840_000_000 / (shards - 1) > TARGET_SHARD_BYTES
    assert choose_num_shards(0, 1, 8 * 10**10) == 1


def test_what_is_asked_is_taken_unless_a_shard_would_be_empty():
    assert choose_num_shards(7, 60_000, 784) == 7
    with pytest.raises(UsageError, match="more shards than examples"):
        choose_num_shards(6, 5, 784)
