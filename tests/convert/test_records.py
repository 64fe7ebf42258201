import json

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.records import check_records, first_examples
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.idxfiles import make_arrays, write_idx
from tests.resealed import resealed


def make(folder, images, labels, shards=2):
    sources = (write_idx(folder / "i", images), write_idx(folder / "l", labels))
    output = str(folder / "out")
    layout = LayoutConfig(num_classes=0, image_shape="auto")
    convert(*sources, output, ConvertConfig("mnist", num_shards=shards), layout)
    return output


@pytest.fixture
def arrays():
    made = make_arrays(train=40)
    return made["train_images"], made["train_labels"]


def test_a_dataset_in_order(tmp_path, arrays):
    uri = make(tmp_path, *arrays)
    assert check_records(uri).num_examples == 40


@pytest.mark.parametrize("count", [1, 20, 21, 40, 99])
def test_the_first_examples_across_shards(tmp_path, arrays, count):
    images, labels = arrays
    found = first_examples(make(tmp_path, images, labels), count)
    assert [example.label for example in found] == labels[:count].tolist()
    np.testing.assert_array_equal([example.image for example in found], images[:count])


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_other_types_and_colours(tmp_path, dtype):
    images = (np.arange(5 * 4 * 3 * 3) * 7 % 100).reshape(5, 4, 3, 3).astype(dtype)
    uri = make(tmp_path, images, np.array([0, 300, 2, 1, 0], np.int32))
    check_records(uri)
    found = first_examples(uri, 5)
    np.testing.assert_array_equal([example.image for example in found], images)
    assert [example.label for example in found] == [0, 300, 2, 1, 0]
    assert len(found[0].draw().splitlines()) == 4


def test_an_image_is_drawn_dark_to_light(tmp_path):
    images = np.array([[[0, 255], [128, 0]]], np.uint8)
    (example,) = first_examples(make(tmp_path, images, np.array([0], np.uint8), 1), 1)
    assert example.draw() == "  @@\n==" or example.draw() == "  @@\n++"


def test_damage_is_found_at_its_byte(tmp_path, arrays):
    uri = make(tmp_path, *arrays)
    shard = f"{uri}/mnist-train.tfrecord-00001-of-00002"
    data = bytearray(storage.read(shard))
    data[838 * 3 + 100] ^= 1
    storage.write(shard, bytes(data))
    with pytest.raises(DataError, match="record is damaged") as caught:
        check_records(uri)
    assert (caught.value.where, caught.value.offset) == (shard, 838 * 3)


def test_shards_that_are_whole_but_not_the_listed_ones(tmp_path, arrays):
    uri = make(tmp_path, *arrays)
    names = [f"{uri}/mnist-train.tfrecord-0000{n}-of-00002" for n in (0, 1)]
    first, second = map(storage.read, names)
    storage.write(names[0], second)
    storage.write(names[1], first)
    with pytest.raises(DataError, match="not the one that the manifest lists"):
        check_records(uri)


def test_a_manifest_with_other_classes(tmp_path, arrays):
    uri = make(tmp_path, *arrays)
    body = json.loads(storage.read(f"{uri}/dataset.json"))
    counts = body["class_counts"]
    counts[0], counts[1] = counts[0] - 1, counts[1] + 1
    storage.write(f"{uri}/dataset.json", resealed(body))
    with pytest.raises(DataError, match="classes are not what the manifest says"):
        check_records(uri)


@pytest.mark.parametrize(
    "config", [{"compression": "gzip"}, {"file_format": "array_record", "shuffle_seed": 1}]
)
def test_other_formats_are_checked_too(tmp_path, arrays, config):
    sources = write_idx(tmp_path / "i", arrays[0]), write_idx(tmp_path / "l", arrays[1])
    uri, options = (
        str(tmp_path / "out"),
        {"layout": LayoutConfig(num_classes=0, image_shape="auto")},
    )
    dataset = convert(*sources, uri, ConvertConfig("mnist", num_shards=2, **config), **options)
    assert check_records(uri).num_examples == 40
    if not config.get("shuffle_seed"):
        np.testing.assert_array_equal([e.image for e in first_examples(uri, 21)], arrays[0][:21])
    shard = f"{uri}/{dataset.shards[1].name}"
    content = bytearray(storage.read(shard))
    content[len(content) // 2] ^= 1
    storage.write(shard, content)
    with pytest.raises(DataError) as caught:
        check_records(uri)
    assert caught.value.where == shard
