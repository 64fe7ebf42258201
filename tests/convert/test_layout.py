"""Files that hold labels in a column, as QMNIST, or images on their side, as EMNIST."""

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.records import first_examples
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.idxfiles import make_arrays, write_idx

ARRAYS = make_arrays(train=50, shape=(28, 14))
IMAGES, LABELS = ARRAYS["train_images"], ARRAYS["train_labels"]


def label_rows(column):
    rows = np.full((50, 8), 77, np.int32)
    rows[:, column] = LABELS
    return rows


@pytest.mark.parametrize("config", [{}, {"shuffle_seed": 3}, {"max_examples": 20}])
@pytest.mark.parametrize("column", [0, 5])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_both_become_a_plain_dataset(tmp_path, config, column, suffix):
    on_their_side = np.ascontiguousarray(IMAGES.swapaxes(1, 2))
    sides = write_idx(tmp_path / f"i{suffix}", on_their_side)
    rows = write_idx(tmp_path / f"l{suffix}", label_rows(column))
    config = ConvertConfig(**config)
    layout = LayoutConfig(image_shape="28x14", label_column=column, transposed=True)
    convert(sides, rows, str(tmp_path / "a"), config, layout)
    plain = write_idx(tmp_path / "images", IMAGES), write_idx(tmp_path / "labels", LABELS)
    convert(*plain, str(tmp_path / "b"), config, LayoutConfig(image_shape="28x14"))
    one, other = (read_dataset(str(tmp_path / name)) for name in "ab")
    assert [s.crc32c for s in one.shards] == [s.crc32c for s in other.shards]
    assert one.image_shape == (28, 14)
    assert one.class_counts == other.class_counts


def test_wider_types_are_turned_too(tmp_path):
    images = (IMAGES[:3].astype(np.float32) / 7).reshape(3, 28, 7, 2)
    sides = write_idx(tmp_path / "i", images.swapaxes(1, 2))
    labels = write_idx(tmp_path / "l", LABELS[:3])
    layout = LayoutConfig(image_shape="auto", transposed=True)
    convert(sides, labels, str(tmp_path / "d"), ConvertConfig(), layout)
    for example, image in zip(first_examples(str(tmp_path / "d"), 3), images, strict=True):
        np.testing.assert_array_equal(example.image, image)


def test_a_column_that_is_not_there_is_refused(tmp_path):
    images, labels = write_idx(tmp_path / "i", IMAGES), write_idx(tmp_path / "l", label_rows(0))
    with pytest.raises(DataError, match="labels have no such column"):
        convert(images, labels, str(tmp_path / "d"), ConvertConfig(), LayoutConfig(label_column=8))
    assert not (tmp_path / "d").exists()
