import dataclasses
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.dataset.examples import read_examples, read_shard, regroup
from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.core.errors import DataError, SetupError
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.datasets import spots, write_dataset
from tests.idxfiles import write_idx

FORMATS = [("tfrecord", "none"), ("tfrecord", "gzip"), ("array_record", "none")]


def read(folder, start=0):
    dataset = read_dataset(folder)
    parts = list(read_examples(shard_uris(folder, dataset), dataset, start))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def two_lengths():
    """Images and labels: 200 takes another byte than the others, so that records differ."""
    images, labels = spots(40, num_classes=201)
    labels[5:9] = 200
    return images, labels


def converted(tmp_path, file_format, compression):
    images, labels = two_lengths()
    write_idx(tmp_path / "images", images)
    write_idx(tmp_path / "labels", labels.astype(np.uint8))
    folder = str(tmp_path / "out")
    convert(
        *(str(tmp_path / name) for name in ("images", "labels")),
        folder,
        ConvertConfig(num_shards=3, file_format=file_format, compression=compression),
        LayoutConfig(num_classes=201, image_shape="auto"),
    )
    return folder


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("start", [0, 3, 8, 22])
def test_reads_back_every_pixel_and_label(tmp_path, dtype, start):
    images, labels = spots(23, shape=(6, 5, 3), dtype=dtype)
    found, found_labels = read(write_dataset(tmp_path, images, labels, 4, num_shards=3), start)
    assert found.dtype == images.dtype
    np.testing.assert_array_equal(found.reshape(-1, 6, 5, 3), images[start:])
    np.testing.assert_array_equal(found_labels, labels[start:])


@pytest.mark.parametrize(("file_format", "compression"), FORMATS)
def test_every_format_that_convert_writes_is_read(tmp_path, file_format, compression):
    folder = converted(tmp_path, file_format, compression)
    images, labels = two_lengths()
    found, found_labels = read(folder)
    np.testing.assert_array_equal(found.reshape(images.shape), images)
    np.testing.assert_array_equal(found_labels, labels)
    dataset = read_dataset(folder)
    shard = shard_uris(folder, dataset)[1]
    with open(shard, "r+b") as stream:
        stream.seek(-30, 2)
        stream.write(b"\xaa")
    with pytest.raises(DataError) as caught:
        read(folder)
    assert caught.value.where == shard


def test_a_format_without_its_package_is_an_error(tmp_path, monkeypatch):
    images, labels = spots(8)
    write_idx(tmp_path / "images", images)
    write_idx(tmp_path / "labels", labels.astype(np.uint8))
    paths = [str(tmp_path / name) for name in ("images", "labels", "out")]
    config = ConvertConfig(file_format="array_record")
    convert(*paths, config, LayoutConfig(num_classes=4, image_shape="auto"))
    monkeypatch.setitem(__import__("sys").modules, "array_record.python.array_record_module", None)
    with pytest.raises(SetupError, match="not installed"):
        read(paths[2])


@pytest.mark.parametrize("rows", [1, 4, 23, 50])
def test_groups_are_the_same_examples_in_other_numbers(tmp_path, rows):
    images, labels = spots(23)
    folder = write_dataset(tmp_path, images, labels, 4, num_shards=3)
    dataset = read_dataset(folder)
    groups = list(regroup(read_examples(shard_uris(folder, dataset), dataset), rows))
    assert [len(n) for _, n in groups[:-1]] == [rows] * (len(groups) - 1)
    found = np.concatenate([i for i, _ in groups]).reshape(images.shape)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(np.concatenate([n for _, n in groups]), labels)


@pytest.mark.parametrize(("file_format", "compression"), FORMATS)
def test_trust_9_a_shard_with_more_records_than_the_manifest_says(
    tmp_path, file_format, compression
):
    folder = converted(tmp_path, file_format, compression)
    dataset = read_dataset(folder)
    shard = dataset.shards[0]
    fewer = dataclasses.replace(shard, examples=shard.examples - 1)
    uri = shard_uris(folder, dataset)[0]
    with pytest.raises(DataError, match="not the one that the manifest lists") as caught:
        list(read_shard(uri, fewer, dataset))
    assert caught.value.where == uri
    assert f"{fewer.examples} examples" in str(caught.value.expected)


def test_trust_9_an_array_record_that_is_damaged_inside(tmp_path):
    folder = converted(tmp_path, "array_record", "none")
    dataset = read_dataset(folder)
    uri, whole = shard_uris(folder, dataset)[0], Path(shard_uris(folder, dataset)[0]).read_bytes()
    for place in range(0, len(whole), 97):
        data = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        Path(uri).write_bytes(data)
        # As if it had been written so: the manifest's checksum fits.
        shard = dataclasses.replace(dataset.shards[0], crc32c=google_crc32c.value(data))
        try:
            parts = list(read_shard(uri, shard, dataset))
        except DataError as error:
            assert error.where == uri
        else:
            assert sum(len(labels) for _, labels in parts) == shard.examples
