import numpy as np
import pytest
from PIL import Image

from idxpipe.components.convert import export as module
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.export import export
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.idxfiles import idx_bytes, make_arrays, write_idx

ARRAYS = make_arrays(train=40)
IMAGES, LABELS = ARRAYS["train_images"], ARRAYS["train_labels"]


def make(folder, images=IMAGES, labels=LABELS, split="train", **config):
    sources = write_idx(folder / "i", images), write_idx(folder / "l", labels)
    output = str(folder / "records" / split)
    options = {"split": split, "layout": LayoutConfig(num_classes=0, image_shape="auto")}
    convert(*sources, output, ConvertConfig("mnist", **config), **options)
    return output


@pytest.mark.parametrize(
    "config",
    [
        {"num_shards": 3},
        {"shuffle_seed": 5, "num_shards": 4},
        {"compression": "gzip", "num_shards": 2},
        {"file_format": "array_record", "num_shards": 2},
        {"file_format": "array_record", "shuffle_seed": 0},
    ],
)
def test_idx_files_are_the_bytes_that_were_converted(tmp_path, config):
    made = export(make(tmp_path, **config), "idx", str(tmp_path / "out"))
    assert made.in_source_order
    assert (tmp_path / "out/train-images-idx3-ubyte").read_bytes() == idx_bytes(IMAGES)
    assert (tmp_path / "out/train-labels-idx1-ubyte").read_bytes() == idx_bytes(LABELS)
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(
    ("dtype", "word"),
    [("int8", "byte"), ("int16", "short"), ("int32", "int"), ("float32", "float"),
     ("float64", "double")],
)  # fmt: skip
def test_every_type_and_colours(tmp_path, dtype, word):
    images = (np.arange(5 * 4 * 3 * 3) * 7 % 100).reshape(5, 4, 3, 3).astype(dtype)
    labels = np.array([0, 300, 2, 1, 0], np.int32)
    made = export(make(tmp_path, images, labels), "idx", str(tmp_path / "out"))
    assert made.uris[0].endswith(f"train-images-idx4-{word}")
    assert storage.read(made.uris[0]) == idx_bytes(images)
    assert storage.read(made.uris[1]) == idx_bytes(labels)


@pytest.mark.slow
def test_mnist_there_and_back(tmp_path):
    for split, name in (("train", "train"), ("test", "t10k")):
        sources = [f"data/mnist/{name}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
        convert(*sources, str(tmp_path / split), ConvertConfig(shuffle_seed=1), split=split)
        made = export(str(tmp_path / split), "idx", str(tmp_path / "out"))
        for uri, source in zip(made.uris, sources, strict=True):
            assert storage.read(uri) == b"".join(read_chunks(source))
    # What was exported is a data set again.
    assert find_files(DataConfig(data=str(tmp_path / "out"))).test_images.endswith("idx3-ubyte")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_numpy_files(tmp_path, dtype):
    images = IMAGES.astype(dtype)
    made = export(make(tmp_path, images, shuffle_seed=2), "npy", str(tmp_path / "out"))
    found = np.load(made.uris[0], mmap_mode="r")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(np.load(made.uris[1]), LABELS)


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_png_images_in_a_folder_per_class(tmp_path, channels):
    images = np.arange(12 * 5 * 4 * 3, dtype=np.uint8).reshape(12, 5, 4, 3)
    images = images if channels == (3,) else images[..., :1].reshape(12, 5, 4, *channels)
    labels = np.array([0, 11, 2] * 4, np.uint8)
    made = export(make(tmp_path, images, labels), "png", str(tmp_path / "out"))
    assert made.uris == (str(tmp_path / "out/train"),)
    assert sorted(path.name for path in (tmp_path / "out/train").iterdir()) == ["00", "02", "11"]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / f"out/train/{label:02d}/{number:02d}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image.squeeze())


def test_a_shuffled_part_keeps_its_order_and_says_so(tmp_path):
    made = export(make(tmp_path, shuffle_seed=1, max_examples=9), "npy", str(tmp_path / "out"))
    assert not made.in_source_order
    assert np.load(made.uris[0]).shape == (9, *IMAGES.shape[1:])
    made = export(make(tmp_path, max_examples=9), "npy", str(tmp_path / "first"))
    assert made.in_source_order
    np.testing.assert_array_equal(np.load(made.uris[0]), IMAGES[:9])


def test_to_and_from_a_bucket(tmp_path, one_gcs):
    sources = write_idx(tmp_path / "i", IMAGES), write_idx(tmp_path / "l", LABELS)
    config = ConvertConfig(file_format="array_record", num_shards=2)
    convert(*sources, f"{one_gcs}/r", config, LayoutConfig(num_classes=0, image_shape="auto"))
    made = export(f"{one_gcs}/r", "idx", f"{one_gcs}/out")
    assert storage.read(made.uris[0]) == idx_bytes(IMAGES)
    assert export(f"{one_gcs}/r", "png", f"{one_gcs}/out").uris == (f"{one_gcs}/out/train",)
    assert len(storage.list_files(f"{one_gcs}/out/train")) == 40


def test_nothing_is_replaced(tmp_path):
    uri = make(tmp_path)
    for target, name in (("idx", "train-labels-idx1-ubyte"), ("png", "train/3/x")):
        storage.write(str(tmp_path / target / name), b"mine")
        with pytest.raises(UsageError, match="something already"):
            export(uri, target, str(tmp_path / target))
        assert list(storage.list_files(str(tmp_path / target))) == [name]


def test_what_png_cannot_hold(tmp_path):
    for number, images in enumerate((IMAGES.astype("float32"), np.zeros((40, 2, 2, 2), np.uint8))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(UsageError, match="PNG cannot hold"):
            export(make(folder, images), "png", str(folder / "out"))


def test_damage_leaves_nothing(tmp_path):
    uri = make(tmp_path, num_shards=2)
    shard = f"{uri}/mnist-train.tfrecord-00001-of-00002"
    with open(shard, "r+b") as stream:
        stream.seek(100)
        stream.write(b"\xff\xfe")
    for target in ("idx", "npy", "png"):
        with pytest.raises(DataError, match="damaged") as caught:
            export(uri, target, str(tmp_path / "out"))
        assert caught.value.where == shard
        assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    uri = make(tmp_path)
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(module.os, "posix_fallocate", full)
    for name in ("out", "there"):
        with pytest.raises(SetupError, match="cannot write") as caught:
            export(uri, "npy", str(tmp_path / name))
        assert caught.value.found == "No space left on device"
    assert not (tmp_path / "out").exists()
    # It was there before.
    assert not list((tmp_path / "there").iterdir())
