"""What TensorFlow Datasets itself makes of a conversion."""

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.convert.tfds import FILES
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.tf_host import quiet_import
from tests.idxfiles import make_arrays, write_idx

pytestmark = pytest.mark.slow

ARRAYS = make_arrays(train=40)

with quiet_import():
    tfds = pytest.importorskip("tensorflow_datasets")


def make(folder, images, labels, split="train", **config):
    sources = write_idx(folder / "i", images), write_idx(folder / "l", labels)
    options = {"split": split, "layout": LayoutConfig(num_classes=0, image_shape="auto")}
    convert(*sources, str(folder / split), ConvertConfig(**config), **options)
    return str(folder / split)


def test_a_split_opens_as_a_data_set(tmp_path):
    images, labels = ARRAYS["train_images"], ARRAYS["train_labels"]
    uri = make(tmp_path, images, labels, num_shards=3)
    builder = tfds.builder_from_directory(uri)
    assert builder.info.splits["train"].num_examples == 40
    assert builder.info.features["label"].num_classes == labels.max() + 1
    read = list(builder.as_dataset("train", as_supervised=True, shuffle_files=False))
    np.testing.assert_array_equal([image for image, _ in read], images)
    np.testing.assert_array_equal([label for _, label in read], labels)
    part = builder.as_dataset("train[10:20]", shuffle_files=False)
    np.testing.assert_array_equal([example["label"] for example in part], labels[10:20])


def test_both_splits_open_as_one_data_set(tmp_path):
    folders = []
    for split in ("train", "test"):
        arrays = ARRAYS[f"{split}_images"], ARRAYS[f"{split}_labels"]
        folders.append(make(tmp_path, *arrays, split))
    builder = tfds.builder_from_directories(folders)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {"train": 40, "test": len(ARRAYS["test_labels"])}


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_other_types_and_colours(tmp_path, dtype):
    images = (np.arange(5 * 4 * 3 * 3) * 7 % 100).reshape(5, 4, 3, 3).astype(dtype)
    uri = make(tmp_path, images, np.array([0, 300, 2, 1, 0], np.int32))
    read = list(tfds.builder_from_directory(uri).as_dataset("train", shuffle_files=False))
    np.testing.assert_array_equal([example["image"] for example in read], images)


def test_a_data_source_reads_at_random(tmp_path):
    images, labels = ARRAYS["train_images"], ARRAYS["train_labels"]
    uri = make(tmp_path, images, labels, num_shards=2, file_format="array_record")
    source = tfds.builder_from_directory(uri).as_data_source("train")
    assert len(source) == 40
    for number in (33, 2):
        np.testing.assert_array_equal(source[number]["image"], images[number])


def test_there_are_none_where_it_could_not_read(tmp_path):
    images, labels = ARRAYS["train_images"], ARRAYS["train_labels"]
    make(tmp_path, images, labels)
    assert set(FILES) < {path.name for path in (tmp_path / "train").iterdir()}
    make(tmp_path, images, labels, compression="gzip")
    assert not set(FILES) & {path.name for path in (tmp_path / "train").iterdir()}
