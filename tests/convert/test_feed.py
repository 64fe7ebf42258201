import threading

import pytest

from idxpipe.components.convert.feed import AbandonedError, feed, find_feed, is_fed
from idxpipe.components.core.errors import DataError


def read(fed, length):
    buffer = bytearray(length)
    assert fed.readinto(buffer) == length
    return bytes(buffer)


def test_bytes_come_out_as_they_went_in_whatever_the_pieces():
    data = bytes(range(256)) * 1000
    with feed("f", 16) as fed:

        def put():
            for start in range(0, len(data), 1000):
                fed.put(data[start : start + 1000])

        thread = threading.Thread(target=put)
        thread.start()
        out = b""
        while len(out) < len(data):
            out += read(find_feed("f", 16 + len(out)), min(777, len(data) - len(out)))
        thread.join()
    assert out == data
    assert not is_fed("f")
    assert find_feed("f", 0) is None


def test_an_error_comes_out_where_it_went_in():
    with feed("f", 0) as fed:
        fed.put(b"abc")
        fed.put(DataError("damaged"))
        assert read(fed, 2) == b"ab"
        with pytest.raises(DataError, match="damaged"):
            read(fed, 2)


def test_it_is_read_in_order():
    with feed("f", 0), pytest.raises(ValueError, match="byte 0 comes next"):
        find_feed("f", 5)


def test_who_fills_it_learns_that_nobody_reads():
    with feed("f", 0) as fed:
        fed.abandon()
        with pytest.raises(AbandonedError):
            fed.put(b"")
