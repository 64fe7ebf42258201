import threading

import pytest

from components.convert.feed import AbandonedError, feed, find_feed
from components.core.errors import DataError


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
            out += find_feed("f").read(16 + len(out), min(777, len(data) - len(out)))
        thread.join()
    assert out == data
    assert find_feed("f") is None


def test_an_error_comes_out_where_it_went_in():
    with feed("f", 0) as fed:
        fed.put(b"abc")
        fed.put(DataError("damaged"))
        assert fed.read(0, 2) == b"ab"
        with pytest.raises(DataError, match="damaged"):
            fed.read(2, 2)


def test_it_is_read_in_order():
    with feed("f", 0) as fed, pytest.raises(ValueError, match="byte 0 comes next"):
        fed.read(5, 1)


def test_who_fills_it_learns_that_nobody_reads():
    with feed("f", 0) as fed:
        fed.abandon()
        with pytest.raises(AbandonedError):
            fed.put(b"")
