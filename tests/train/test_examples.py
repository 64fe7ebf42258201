import numpy as np
import pytest
import tensorflow as tf

from components.core import storage
from components.core.dataset import read_dataset, shard_uris
from components.core.errors import DataError
from components.train.examples import read_examples
from tests.datasets import spots, write_dataset


def read(folder):
    dataset = read_dataset(folder)
    return read_examples(shard_uris(folder, dataset), dataset)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_reads_back_every_pixel_and_label(tmp_path, dtype):
    images, labels = spots(23, shape=(6, 5, 3), dtype=dtype)
    found, found_labels = read(write_dataset(tmp_path, images, labels, 4, num_shards=3))
    assert found.dtype == images.dtype
    np.testing.assert_array_equal(found.reshape(images.shape), images)
    np.testing.assert_array_equal(found_labels, labels)


def test_damaged_shard_is_named(tmp_path):
    folder = write_dataset(tmp_path, *spots(20), 4)
    shard = tmp_path / "1.tfrecord"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"1\.tfrecord: records cannot be read") as caught:
        read(folder)
    assert "corrupted record" in str(caught.value)


def test_label_that_is_no_class_is_refused(tmp_path):
    images, labels = spots(20)
    labels[7] = 9
    folder = write_dataset(tmp_path, images, labels % 4, 4)
    bad = write_dataset(tmp_path / "bad", images, labels, 10)
    manifest = storage.read(storage.join(folder, "dataset.json"))
    dataset = read_dataset(folder)
    assert manifest
    with pytest.raises(DataError, match="record 7 of the split") as caught:
        read_examples(shard_uris(bad, read_dataset(bad)), dataset)
    assert caught.value.found == 9


@pytest.mark.parametrize("count", [19, 21])
def test_other_number_of_records_is_refused(tmp_path, count):
    folder = write_dataset(tmp_path / "a", *spots(20), 4, num_shards=1)
    other = write_dataset(tmp_path / "b", *spots(count), 4, num_shards=1)
    with pytest.raises(DataError, match="manifest says"):
        read_examples([f"{other}/0.tfrecord"], read_dataset(folder))


def test_record_without_an_image_is_refused(tmp_path):
    folder = write_dataset(tmp_path, *spots(20), 4, num_shards=1)
    with tf.io.TFRecordWriter(f"{folder}/0.tfrecord") as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(DataError, match="cannot be read"):
        read_examples([f"{folder}/0.tfrecord"], read_dataset(folder))
