import gzip
import tracemalloc

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.content import CHUNK_BYTES, is_gzip, read_chunks, read_start

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


def test_where_each_further_member_begins_is_told(tmp_path):
    (tmp_path / "f").write_bytes(PACKED + gzip.compress(b"more") + gzip.compress(b"and more"))
    begins = []
    assert b"".join(read_chunks(str(tmp_path / "f"), 1000, begins.append)).endswith(b"and more")
    assert begins == [len(CONTENT), len(CONTENT) + 4]


@pytest.mark.parametrize("size", [1000, CHUNK_BYTES])
def test_many_tiny_members_are_fed_little_by_little(tmp_path, monkeypatch, size):
    """What is fed and not used is copied back: of a megabyte, for each of its members."""
    from isal import isal_zlib

    fed, make = [0], isal_zlib.decompressobj

    class Counting:
        def __init__(self, bits):
            self._member = make(bits)

        def __getattr__(self, name):
            return getattr(self._member, name)

        def decompress(self, data, length):
            fed[0] += len(data)
            return self._member.decompress(data, length)

    monkeypatch.setattr(isal_zlib, "decompressobj", Counting)
    packed = b"".join(gzip.compress(b"%d" % number, 1) for number in range(20_000))
    assert read(tmp_path / "f", packed) == b"".join(b"%d" % number for number in range(20_000))
    assert fed[0] < 16 * len(packed)


def test_the_start_costs_no_more_than_was_asked_for(tmp_path):
    (tmp_path / "plain").write_bytes(CONTENT)
    assert read_start(str(tmp_path / "plain"), 1000) == (CONTENT[:1000], False)
    (tmp_path / "packed").write_bytes(PACKED)
    assert read_start(str(tmp_path / "packed"), 1000) == (CONTENT[:1000], True)
    (tmp_path / "damaged").write_bytes(PACKED[:10] + b"\xff" * 100)
    assert read_start(str(tmp_path / "damaged"), 1000) == (b"", True)
    (tmp_path / "empty").write_bytes(b"")
    assert read_start(str(tmp_path / "empty"), 100) == (b"", False)


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


@pytest.mark.parametrize("after", [b"\0x", b"junk", b"\x1f\x8c"])
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
