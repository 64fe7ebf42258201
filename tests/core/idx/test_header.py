import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.header import ITEM_BYTES, Header
from tests.idxfiles import idx_bytes


def test_the_header_of_mnist():
    header = Header.decode(bytes.fromhex("00000803 0000ea60 0000001c 0000001c"), "f")
    assert header == Header("uint8", (60000, 28, 28))
    assert header.records == 60000
    assert header.record_shape == (28, 28)
    assert header.record_bytes == 784
    assert header.data_offset == 16
    assert header.content_bytes == 47040016
    assert header.offset(2) == 16 + 2 * 784


@given(
    st.sampled_from(sorted(ITEM_BYTES)),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=255),
)
def test_encode_then_decode(dtype, shape):
    header = Header(dtype, tuple(shape))
    assert Header.decode(header.encode(), "f") == header
    assert len(header.encode()) == header.data_offset


@pytest.mark.parametrize("dtype", sorted(ITEM_BYTES))
def test_agrees_with_numpy(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    data = idx_bytes(array)
    header = Header.decode(data, "f")
    assert (header.dtype, header.shape) == (dtype, (2, 3, 4))
    assert header.content_bytes == len(data)
    assert header.encode() == data[: header.data_offset]


@pytest.mark.parametrize(
    ("data", "offset", "problem", "found"),
    [
        (b"", 0, "not an IDX file", "an empty file"),
        (b"<!DOCTYPE html>", 0, "not an IDX file", "an HTML page, such as a server's error page"),
        (b"<?xml version", 0, "not an IDX file", "an XML document, such as a bucket's error page"),
        (b"PK\x03\x04", 0, "not an IDX file", "a ZIP archive"),
        (b"version https://git-lfs", 0, "not an IDX file", "a Git LFS pointer"),
        (b"\0\1\x08\1", 0, "not an IDX file", "bytes 00 01 08 01"),
        (b"\0\0\x08", 3, "file ends within its header", "3 bytes"),
        (b"\0\0\x07\1", 2, "unknown IDX type code", "0x07"),
        (b"\0\0\x08\0", 3, "IDX file has no dimensions", "0"),
        (b"\0\0\x08\3" + bytes(11), 15, "file ends within its header", "15 bytes"),
    ],
)
def test_what_is_no_header_is_refused_at_its_byte(data, offset, problem, found):
    with pytest.raises(DataError) as caught:
        Header.decode(data, "f.idx")
    error = caught.value
    assert (error.where, error.offset, error.problem) == ("f.idx", offset, problem)
    assert str(error.found) == found
    assert error.remedy


def test_any_bytes_are_read_or_refused():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        data = struct.pack(">H", 0) + rng.bytes(int(rng.integers(0, 40)))
        try:
            header = Header.decode(data, "f")
        except DataError:
            continue
        assert header.content_bytes >= header.data_offset
