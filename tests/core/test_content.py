import gzip
import tracemalloc

import pytest

from components.core.content import CHUNK_BYTES, is_gzip, read_chunks
from components.core.errors import DataError

CONTENT = bytes(range(256)) * 5000
PACKED = gzip.compress(CONTENT, mtime=0)


def read(path, data: bytes) -> bytes:
    path.write_bytes(data)
    return b"".join(read_chunks(str(path)))


@pytest.mark.parametrize("data", [b"", b"\0", CONTENT, CONTENT[:CHUNK_BYTES]])
def test_plain_and_gzip_give_the_same(tmp_path, data):
    assert read(tmp_path / "plain", data) == data
    assert read(tmp_path / "f.gz", gzip.compress(data)) == data


def test_gzip_is_seen_from_the_content_not_the_name(tmp_path):
    assert read(tmp_path / "named.gz", b"\0\0plain") == b"\0\0plain"
    assert read(tmp_path / "named-plain", PACKED) == CONTENT
    assert is_gzip(str(tmp_path / "named-plain"))


def test_members_after_each_other_are_one_content(tmp_path):
    assert read(tmp_path / "f", PACKED + gzip.compress(b"more")) == CONTENT + b"more"


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100, len(PACKED) - 3, len(PACKED) - 10])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    with pytest.raises(DataError, match="cut short") as caught:
        read(tmp_path / "f", PACKED[:-cut])
    assert caught.value.where == str(tmp_path / "f")


def test_a_wrong_checksum_or_length_is_refused(tmp_path):
    for at in (-8, -4):
        bad = bytearray(PACKED)
        bad[at] ^= 1
        with pytest.raises(DataError, match="damaged"):
            read(tmp_path / "f", bytes(bad))


def test_damaged_data_is_refused(tmp_path):
    bad = bytearray(PACKED)
    bad[20] ^= 0xFF
    with pytest.raises(DataError):
        read(tmp_path / "f", bytes(bad))


@pytest.mark.parametrize("after", [b"\0", b"junk", b"\x1f\x8c"])
def test_something_after_the_end_is_refused(tmp_path, after):
    with pytest.raises(DataError, match="followed by something else"):
        read(tmp_path / "f", PACKED + after)


def test_a_bomb_takes_constant_memory(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(bytes(200 << 20), 9))
    next(iter(read_chunks(str(path))))
    tracemalloc.start()
    total = sum(map(len, read_chunks(str(path))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 200 << 20
    assert peak < 16 * CHUNK_BYTES


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        list(read_chunks(str(tmp_path / "none")))
