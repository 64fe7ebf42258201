"""NumPy files, written by NumPy."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.intake.arrays import read_arrays
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.tree import open_tree
from tests.intake.pictures import pixels

IMAGES = pixels(0, (10, 8, 6))
LABELS = np.arange(10) % 3


def read(path, tmp_path, **options):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    with open_tree(str(path), str(scratch)) as tree:
        return read_arrays(tree, ImportConfig(**options), str(scratch))


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def parts(found):
    everything = slice(None)
    return {
        part.split: (np.asarray(part.images[everything]), part.labels.tolist())
        for part in found.parts
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_keys_of_keras(save, tmp_path):
    save(
        tmp_path / "mnist.npz",
        x_train=IMAGES,
        y_train=LABELS,
        x_test=IMAGES[::-1],
        y_test=LABELS[::-1],
    )
    found = read(tmp_path / "mnist.npz", tmp_path)
    images, labels = parts(found)["test"]
    assert np.array_equal(images, IMAGES[::-1])
    assert labels == LABELS[::-1].tolist()
    assert found.ordered
    assert found.class_names == ("0", "1", "2")
    assert found.parts[0].origins[3] == "x_train[3]"


def test_the_keys_of_medmnist(tmp_path):
    arrays = {
        f"{split}_{kind}": array
        for split in ("train", "val", "test")
        for kind, array in (("images", IMAGES), ("labels", LABELS.reshape(-1, 1)))
    }
    found = read(saved(tmp_path, **arrays), tmp_path)
    assert sorted(parts(found)) == ["test", "train"]
    assert set(found.left_out) == {"val_images", "val_labels"}


def test_a_folder_of_files_as_kuzushiji_comes(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    for split in ("train", "test"):
        np.savez_compressed(folder / f"kmnist-{split}-imgs.npz", IMAGES)
        np.savez_compressed(folder / f"kmnist-{split}-labels.npz", LABELS.astype(np.uint8))
    assert sorted(parts(read(folder, tmp_path))) == ["test", "train"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_of_npy_files(packed, tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    np.save(folder / "images.npy", np.asfortranarray(IMAGES))
    np.save(folder / "labels.npy", LABELS)
    if packed:
        with zipfile.ZipFile(tmp_path / "k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, f"k/{file.name}")
    images, labels = parts(read(tmp_path / ("k.zip" if packed else "k"), tmp_path))[""]
    assert np.array_equal(images, IMAGES)
    assert labels == LABELS.tolist()


def test_rows_of_numbers_are_square_or_of_the_given_shape(tmp_path):
    square = saved(tmp_path, x=pixels(0, (10, 49)), y=LABELS)
    assert parts(read(square, tmp_path))[""][0].shape == (10, 7, 7)
    rows = saved(tmp_path, x=IMAGES.reshape(10, -1), y=LABELS)
    assert np.array_equal(parts(read(rows, tmp_path, image_shape="8x6"))[""][0], IMAGES)
    with pytest.raises(DataError, match="image-shape"):
        read(rows, tmp_path)


@pytest.mark.parametrize(
    ("images", "dtype"),
    [
        (IMAGES.astype(np.int64), "uint8"),
        (IMAGES.astype(np.uint16), "uint8"),
        (IMAGES.astype(np.float32) / 255, "float32"),
        (IMAGES.astype(">f8"), "float64"),
        (IMAGES.astype(np.int16) * 100, "int16"),
    ],
    ids=str,
)
def test_types_keep_their_values(images, dtype, tmp_path):
    made = parts(read(saved(tmp_path, x=images, y=LABELS), tmp_path))[""][0]
    assert made.dtype.name == dtype
    assert np.array_equal(made, images)


def test_one_channel_is_none(tmp_path):
    made = parts(read(saved(tmp_path, x=IMAGES[..., None], y=LABELS), tmp_path))[""][0]
    assert np.array_equal(made, IMAGES)


def test_labels_may_be_words(tmp_path):
    words = np.array(["dog", "cat"] * 5)
    found = read(saved(tmp_path, x=IMAGES, y=words), tmp_path)
    assert found.class_names == ("cat", "dog")
    assert parts(found)[""][1] == [1, 0] * 5


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"x": IMAGES, "y": np.eye(10)}, "argmax"),
        ({"x": IMAGES, "y": LABELS * 1.0}, "whole numbers"),
        ({"x": IMAGES, "y": LABELS - 1}, "-1"),
        ({"x": IMAGES, "y": LABELS + 20_000}, "20002"),
        ({"x": IMAGES, "y": LABELS[:9]}, "10 images and 9 labels"),
        ({"x": IMAGES.astype(np.uint16) * 200, "y": LABELS}, "uint16"),
        ({"x": IMAGES > 100, "y": LABELS}, "bool"),
        ({"x": IMAGES.astype(np.complex64), "y": LABELS}, "complex64"),
        ({"x": np.zeros((10, 3, 8, 6), np.uint8), "y": LABELS}, "transpose"),
        ({"x": np.zeros((10, 8, 6, 3, 2), np.uint8), "y": LABELS}, "5 dimensions"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "no examples"),
        ({"x": np.full((10, 8, 6), np.nan), "y": LABELS[:4]}, "10 images and 4 labels"),
    ],
    ids=[
        "one-hot",
        "float labels",
        "negative",
        "too many",
        "counts",
        "uint16",
        "bool",
        "complex",
        "channels first",
        "rank",
        "empty",
        "nan",
    ],
)
def test_what_is_not_right_is_said(arrays, problem, tmp_path):
    with pytest.raises(DataError) as caught:
        read(saved(tmp_path, **arrays), tmp_path)
    assert problem in str(caught.value)


@pytest.mark.parametrize("keys", [("x",), ("x", "labels", "y"), ("a", "b"), ("x_test", "y_test")])
def test_keys_that_do_not_say_what_is_what(keys, tmp_path):
    with pytest.raises(UsageError):
        read(saved(tmp_path, **dict.fromkeys(keys, LABELS)), tmp_path)


def test_a_single_npy_file_is_half_of_a_pair(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    with pytest.raises(UsageError, match="folder"):
        read(tmp_path / "images.npy", tmp_path)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def test_nothing_is_unpickled(tmp_path):
    path = saved(tmp_path, x=np.array([Evil()] * 10, dtype=object), y=LABELS)
    with pytest.raises(DataError, match="objects"):
        read(path, tmp_path)
    folder = tmp_path / "k"
    folder.mkdir()
    np.save(folder / "y.npy", LABELS)
    (folder / "x.npy").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="objects"):
        read(folder, tmp_path)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError):
        read(tmp_path / "b.npz", tmp_path)


def test_a_header_that_claims_more_than_there_is(tmp_path):
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 1000000), }"
    body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(100)
    labels = io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", body)
        archive.writestr("y.npy", labels.getvalue())
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path / "a.npz", tmp_path)


def test_resize_and_colours_go_for_arrays_too(tmp_path):
    from PIL import Image

    made = parts(read(saved(tmp_path, x=IMAGES, y=LABELS), tmp_path, resize="4x5", rgb=True))[""][0]
    expected = np.asarray(Image.fromarray(IMAGES[3]).resize((5, 4)).convert("RGB"))
    assert np.array_equal(made[3], expected)
    floats = saved(tmp_path, x=IMAGES.astype(np.float32), y=LABELS)
    with pytest.raises(UsageError, match="uint8"):
        read(floats, tmp_path, resize="4x5")


def test_a_shape_that_the_images_have_not(tmp_path):
    path = saved(tmp_path, x=IMAGES, y=LABELS)
    assert parts(read(path, tmp_path, image_shape="8x6"))[""][0].shape == (10, 8, 6)
    with pytest.raises(DataError, match="image-shape"):
        read(path, tmp_path, image_shape="6x8")
