import io
import struct

import google_crc32c
import numpy as np
import pytest

from idxpipe.components.core.dataset.tfrecord import ExampleEncoder, masked
from idxpipe.components.core.dataset.tfrecord_reader import decode, longest_record, read_records
from idxpipe.components.core.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 30), dtype=np.uint8)
NARROW = np.arange(50, dtype=np.int64)
MIXED = np.arange(50, dtype=np.int64) ** 4
RECORD = ExampleEncoder(30).record_bytes


def written(labels) -> bytes:
    return ExampleEncoder(30).encode(IMAGES, labels).tobytes()


def read(data: bytes):
    return list(read_records(io.BytesIO(data), len(data), "f"))


@pytest.mark.parametrize("labels", [NARROW, MIXED], ids=["narrow", "mixed"])
def test_what_the_encoder_wrote_is_decoded(labels):
    parts = [decode(rows, 30, "f") for rows in read(written(labels))]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in parts]), IMAGES)
    np.testing.assert_array_equal(np.concatenate([found for _, found in parts]), labels)


def test_records_longer_than_a_block():
    image = RNG.integers(0, 256, (3, 5 << 20), dtype=np.uint8)
    data = ExampleEncoder(5 << 20, 3).encode(image, np.arange(3)).tobytes()
    rows = np.concatenate(read(data))
    np.testing.assert_array_equal(decode(rows, 5 << 20, "f")[0], image)


def test_records_of_tensorflow(tmp_path):
    tf = pytest.importorskip("tensorflow")
    with tf.io.TFRecordWriter(str(tmp_path / "f")) as writer:
        for record in (b"one", b"two", b"", b"three"):
            writer.write(record)
    records = [row.tobytes() for rows in read((tmp_path / "f").read_bytes()) for row in rows]
    assert records == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize(
    ("place", "problem", "record"),
    [
        (0, "length of a record is damaged", 0),
        (7 * RECORD + 3, "length of a record is damaged", 7),
        (7 * RECORD + 9, "length of a record is damaged", 7),
        (9 * RECORD + 40, "record is damaged", 9),
        (10 * RECORD - 1, "record is damaged", 9),
    ],
)
def test_damage_is_found_at_its_record(place, problem, record):
    data = bytearray(written(NARROW))
    data[place] ^= 0x10
    with pytest.raises(DataError, match=problem) as caught:
        read(bytes(data))
    assert caught.value.offset == record * RECORD


@pytest.mark.parametrize("cut", [1, 5, RECORD - 13, RECORD - 1])
def test_a_file_cut_short(cut):
    with pytest.raises(DataError, match="file ends within a record") as caught:
        read(written(NARROW)[:-cut])
    assert caught.value.offset == 49 * RECORD


def test_no_record_is_no_error():
    assert read(b"") == []


def test_other_examples_are_refused():
    rows = read(written(NARROW))[0]
    with pytest.raises(DataError, match="not examples"):
        decode(rows, 29, "f")
    changed = rows.copy()
    changed[3, 5] ^= 1
    with pytest.raises(DataError, match="not examples"):
        decode(changed, 30, "f")


class Endless(io.RawIOBase):
    """What begins with a file and never ends; counts what was read of it."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        return self._data.read(size).ljust(size, b"\0")


@pytest.mark.parametrize("length", [longest_record(30) + 1, 200 << 20, 1 << 40, 2**64 - 1])
def test_trust_15_a_length_that_cannot_be_is_refused_before_anything_is_read(length):
    frame = struct.pack("<Q", length)
    frame += struct.pack("<I", masked(google_crc32c.value(frame)))
    stream = Endless(written(NARROW) + frame)
    with pytest.raises(DataError, match="longer than one of this dataset") as caught:
        list(read_records(stream, None, "f", longest_record(30)))
    assert caught.value.offset == 50 * RECORD
    assert stream.taken <= 4 << 20


def test_trust_15_lengths_that_alternate_cost_no_more_than_others(monkeypatch):
    labels = np.arange(4000) % 2 * 1000
    data = ExampleEncoder(30, 4000).encode(np.zeros((4000, 30), np.uint8), labels).tobytes()
    compared = []
    frombuffer = np.frombuffer

    def counting(*args):
        rows = frombuffer(*args)
        compared.append(rows.size)
        return rows

    monkeypatch.setattr(np, "frombuffer", counting)
    assert sum(len(rows) for rows in read(data)) == 4000
    # A block has 4,000 of them: all with all would be 2,000 times the data.
    assert sum(compared) < 100 * len(data)


def test_records_that_come_in_crumbs():
    class Crumbs(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            return super().read(min(7, size))

    found = np.concatenate(list(read_records(Crumbs(written(NARROW)), None, "f")))
    np.testing.assert_array_equal(decode(found, 30, "f")[1], NARROW)
