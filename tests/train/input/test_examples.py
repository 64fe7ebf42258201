import numpy as np
import pytest

from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.core.errors import DataError, SetupError
from idxpipe.components.train.input.examples import fit_in_memory, load_examples
from tests.datasets import spots, write_dataset


def load(folder):
    dataset = read_dataset(folder)
    return load_examples(shard_uris(folder, dataset), dataset)


def test_loads_every_pixel_and_label(tmp_path):
    images, labels = spots(23, shape=(6, 5, 3), dtype="float32")
    found, found_labels = load(write_dataset(tmp_path, images, labels, 4, num_shards=3))
    np.testing.assert_array_equal(found.reshape(images.shape), images)
    np.testing.assert_array_equal(found_labels, labels)


def test_damaged_shard_is_named(tmp_path):
    folder = write_dataset(tmp_path, *spots(20), 4)
    shard = tmp_path / "1.tfrecord"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"1\.tfrecord: byte 0: record is damaged"):
        load(folder)


def test_a_set_of_any_size_fits_or_is_streamed_or_is_refused(tmp_path):
    dataset = read_dataset(write_dataset(tmp_path, *spots(50), 4))

    def fits(window, memory_bytes):
        return fit_in_memory("here", dataset, window, memory_bytes)

    # 64 bytes of pixels and 8 of a label, twice.
    assert fits(50, 0)
    assert fits(50, 2 * 50 * 72)
    assert not fits(20, 2 * 50 * 72 - 1)
    assert not fits(20, 2 * 20 * 72)
    for window, memory_bytes in ((20, 2 * 20 * 72 - 1), (50, 2 * 50 * 72 - 1), (90, 72)):
        with pytest.raises(SetupError, match="do not fit in memory") as caught:
            fits(window, memory_bytes)
        assert f"shuffle_buffer of {memory_bytes // 144} or less" in caught.value.remedy
