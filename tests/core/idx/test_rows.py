import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.core.idx.rows import Rows


@given(
    st.binary(max_size=200),
    st.integers(1, 30),
    st.integers(1, 40),
    st.lists(st.integers(0, 20), max_size=40),
)
def test_whole_records_come_out_in_order(data, record_bytes, block_bytes, sizes):
    taken = []
    rows = Rows(record_bytes, lambda block, first: taken.append((first, bytes(block))), block_bytes)
    place = 0
    for size in [*sizes, len(data)]:
        rows(data[place : place + size], place)
        place += size
    rows.flush()
    whole = len(data) // record_bytes * record_bytes
    assert b"".join(block for _, block in taken) == data[:whole]
    first = 0
    for number, block in taken:
        assert number == first
        assert block
        first += len(block) // record_bytes


def test_a_block_is_about_as_long_as_was_asked_for():
    lengths = []
    rows = Rows(10, lambda block, first: lengths.append(len(block)), block_bytes=35)
    rows(bytes(95), 0)
    rows.flush()
    assert lengths == [30, 30, 30]


@pytest.mark.parametrize("record_bytes", [1, 7, 1000])
def test_flushing_in_between_changes_nothing(record_bytes):
    data = bytes(range(256)) * 10
    taken = []
    rows = Rows(record_bytes, lambda block, first: taken.append(bytes(block)))
    for place in range(0, len(data), 100):
        rows(data[place : place + 100], place)
        rows.flush()
    assert b"".join(taken) == data[: len(data) // record_bytes * record_bytes]
