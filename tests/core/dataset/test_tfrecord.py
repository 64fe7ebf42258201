"""Held against TensorFlow's own serialization and framing, byte for byte."""

import tempfile
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from idxpipe.components.core.dataset.tfrecord import ExampleEncoder, mask_all, masked, varint

tf = pytest.importorskip("tensorflow")


def written_by_tensorflow(path, images, labels) -> bytes:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in zip(images, labels, strict=True):
            image_value = tf.train.BytesList(value=[image.tobytes()])
            label_value = tf.train.Int64List(value=[int(label)])
            feature = {
                "image": tf.train.Feature(bytes_list=image_value),
                "label": tf.train.Feature(int64_list=label_value),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString(deterministic=True))
    return path.read_bytes()


@pytest.mark.parametrize("image_bytes", [1, 2, 100, 127, 128, 784, 16_383, 16_384])
@pytest.mark.parametrize(
    "labels",
    [[0], [9, 3, 127], [128], [0, 127, 128, 5, 16_383, 16_384, 2**31 - 1]],
    ids=["one", "narrow", "wide", "mixed"],
)
def test_bytes_are_those_of_tensorflow(tmp_path, image_bytes, labels):
    rng = np.random.default_rng(image_bytes)
    labels = np.array(labels, np.int64)
    images = rng.integers(0, 256, (len(labels), image_bytes), dtype=np.uint8)
    records = ExampleEncoder(image_bytes, max_rows=8).encode(images, labels)
    assert records.tobytes() == written_by_tensorflow(tmp_path / "f", images, labels)


def test_a_matrix_is_used_again_without_traces():
    encoder = ExampleEncoder(4, max_rows=3)
    images = np.arange(12, dtype=np.uint8).reshape(3, 4)
    labels = np.array([1, 2, 3])
    first = encoder.encode(images, labels).tobytes()
    encoder.encode(images[:1] + 100, np.array([300]))
    encoder.encode(images[:2] + 100, np.array([7, 300]))
    assert encoder.encode(images, labels).tobytes() == first


def test_no_rows_are_no_bytes():
    encoder = ExampleEncoder(4)
    assert encoder.encode(np.empty((0, 4), np.uint8), np.empty(0, np.int64)).size == 0


def test_mask_and_varint():
    # As TensorFlow itself frames it: a record of nine bytes, its length before it.
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/one.tfrecord"
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(b"123456789")
        framed = Path(path).read_bytes()
    # The check value of CRC-32C, RFC 3720, appendix B.4, and its catalogue.
    crc = google_crc32c.value(b"123456789")
    assert crc == 0xE3069283
    wanted = int.from_bytes(framed[-4:], "little")
    assert masked(crc) == mask_all(np.array([crc], np.uint32))[0] == wanted
    assert [varint(v) for v in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\1", b"\xac\2"]
