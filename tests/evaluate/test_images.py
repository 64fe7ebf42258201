import dataclasses
import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.transfer import upload
from idxpipe.components.evaluate import images as reader
from idxpipe.components.evaluate.config import PredictConfig
from idxpipe.components.evaluate.images import find_sources, read_batches
from tests.idxfiles import idx_bytes, write_idx

IMAGES = np.random.default_rng(2).integers(0, 256, (11, 3, 4), np.uint8)


def card(shape=(3, 4), dtype="uint8"):
    return ModelCard("/model", 1, 0.5, 9, 10, shape, dtype, {}, "test")


def write_pngs(folder, count=3):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(IMAGES[number]).save(folder / f"{number}.png")
    return str(folder)


def read(uris, size=4, **changes):
    """Names, and pixels without the padding, of all batches."""
    batches = list(read_batches(find_sources(uris, card(**changes)), card(**changes), size))
    assert all(len(batch.images) == size for batch in batches)
    assert not any(batch.images[batch.real :].any() for batch in batches)
    names = [name for batch in batches for name in batch.names]
    return names, np.concatenate([batch.images[: batch.real] for batch in batches])


@pytest.mark.parametrize("size", [1, 4, 11, 50])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_in_batches_of_one_size(tmp_path, suffix, size):
    uri = write_idx(tmp_path / f"images{suffix}", IMAGES)
    names, pixels = read([uri], size)
    assert names == [(uri, index) for index in range(11)]
    np.testing.assert_array_equal(pixels, IMAGES)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_every_type_comes_out_native(tmp_path, dtype):
    images = (IMAGES.astype(dtype) - 100).astype(dtype)
    _, pixels = read([write_idx(tmp_path / "images", images)], dtype=dtype)
    np.testing.assert_array_equal(pixels, images)
    assert pixels.dtype == np.dtype(dtype)


def test_records_that_straddle_the_chunks(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 700, 700), np.uint8)
    for name in ("images", "images.gz"):
        _, pixels = read([write_idx(tmp_path / name, images)], shape=(700, 700))
        np.testing.assert_array_equal(pixels, images)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_memory_does_not_grow_with_the_file(tmp_path, name):
    uri = write_idx(tmp_path / name, np.zeros((500, 300, 300), np.uint8))
    tracemalloc.start()
    try:
        sources = find_sources([uri], card((300, 300)))
        count = sum(len(batch.names) for batch in read_batches(sources, card((300, 300)), 10))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 500
    # The file is 45 MB.
    assert peak < 10e6


def test_files_and_folders_follow_one_another(tmp_path, capsys):
    folder = write_pngs(tmp_path / "folder")
    (tmp_path / "folder" / "labels.csv").write_text("a,1")
    idx = write_idx(tmp_path / "images", IMAGES[3:5])
    names, pixels = read([folder, idx, f"{folder}/0.png"])
    assert names[2:] == [(f"{folder}/2.png", 0), (idx, 0), (idx, 1), (f"{folder}/0.png", 0)]
    np.testing.assert_array_equal(pixels, IMAGES[[0, 1, 2, 3, 4, 0]])
    assert "leaving out 1 files" in capsys.readouterr().err


def test_from_a_bucket(one_gcs, tmp_path):
    local = write_pngs(tmp_path / "folder")
    upload(local, f"{one_gcs}/png", storage.list_files(local))
    storage.write(f"{one_gcs}/images.gz", gzip.compress(idx_bytes(IMAGES)))
    names, pixels = read([f"{one_gcs}/png", f"{one_gcs}/images.gz"])
    assert names[0] == (f"{one_gcs}/png/0.png", 0)
    np.testing.assert_array_equal(pixels, [*IMAGES[:3], *IMAGES])


def refused(uri, **changes):
    with pytest.raises(DataError) as caught:
        find_sources([str(uri)], card(**changes))
    return caught.value


def test_another_shape_or_type_is_refused(tmp_path):
    uri = write_idx(tmp_path / "images", IMAGES)
    for shape in ((4, 3), (3, 4, 1), (3, 4, 3)):
        error = refused(uri, shape=shape)
        assert "differ in shape from those the model was trained on" in error.problem
        assert (error.where, error.found) == (uri, "3x4")
        assert "/model" in error.expected
    error = refused(uri, dtype="float32")
    assert "differ in type from those the model was trained on" in error.problem
    assert error.found == "uint8"


def test_labels_an_empty_file_and_what_is_no_image_are_refused(tmp_path):
    labels = refused(write_idx(tmp_path / "labels", np.zeros(5, np.uint8)))
    assert labels.found == "single numbers, as labels are"
    assert "empty" in refused(write_idx(tmp_path / "empty", IMAGES[:0])).problem
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 a jpeg")
    assert refused(tmp_path / "a.jpg").found == "a JPEG image"
    (tmp_path / "nothing").write_bytes(b"")
    assert refused(tmp_path / "nothing").found == "an empty file"


def test_no_such_file_and_a_folder_without_pictures_are_refused(tmp_path):
    assert refused(tmp_path / "none").problem == "no such file or folder"
    write_idx(tmp_path / "images", IMAGES)
    error = refused(tmp_path)
    assert "no images here" in error.problem
    assert "images" in error.found


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_file_cut_short_is_refused_before_it_is_used(tmp_path, name):
    uri = write_idx(tmp_path / name, IMAGES)
    os.truncate(uri, os.path.getsize(uri) - 5)
    assert "cut short" in refused(uri).problem


def test_a_file_that_shrinks_meanwhile_is_found(tmp_path):
    uri = write_idx(tmp_path / "images", IMAGES)
    sources = find_sources([uri], card())
    Path(uri).write_bytes(idx_bytes(IMAGES)[:-1])
    with pytest.raises(DataError, match="changed while it was read"):
        list(read_batches(sources, card(), 4))


def test_the_layout_of_the_training_is_applied(tmp_path):
    color = np.random.default_rng(5).integers(0, 256, (6, 3, 4, 3)).astype(np.uint8)
    for layout, stored, images in (
        ({"transposed": True}, IMAGES.swapaxes(1, 2), IMAGES),
        ({"flattened": True}, IMAGES.reshape(len(IMAGES), -1), IMAGES),
        ({"channels_first": True}, np.moveaxis(color, -1, 1), color),
    ):
        taken = dataclasses.replace(card(images.shape[1:]), layout=layout)
        uri = write_idx(tmp_path / "images", stored)
        batches = list(read_batches(find_sources([uri], taken), taken, 50))
        np.testing.assert_array_equal(batches[0].images[: len(images)], images)
        if "flattened" in layout:
            continue
        uri = write_idx(tmp_path / "upright", images)
        with pytest.raises(DataError) as caught:
            find_sources([uri], taken)
        assert "--layout upright" in caught.value.remedy
        config = PredictConfig(layout="upright")
        batches = list(read_batches(find_sources([uri], taken, config), taken, 50, config))
        np.testing.assert_array_equal(batches[0].images[: len(images)], images)


def test_images_are_inverted_and_scaled_on_request_only(tmp_path):
    uri = write_idx(tmp_path / "images", IMAGES)
    config = PredictConfig(invert=True)
    (batch,) = read_batches(find_sources([uri], card(), config), card(), 11, config)
    np.testing.assert_array_equal(batch.images, 255 - IMAGES)
    large = str(tmp_path / "large.png")
    Image.fromarray(np.kron(IMAGES[0], np.ones((5, 5), np.uint8))).save(large)
    assert "give --resize" in refused(large).remedy
    config = PredictConfig(resize=True)
    (batch,) = read_batches(find_sources([large], card(), config), card(), 1, config)
    np.testing.assert_array_equal(batch.images[0], IMAGES[0])


def test_a_wrong_folder_with_many_others_is_not_searched(tmp_path, monkeypatch):
    for number in range(80):
        (tmp_path / str(number)).mkdir()
    looked, real = [], reader.names_in
    monkeypatch.setattr(reader, "names_in", lambda uri: looked.append(uri) or real(uri))
    assert "check the path" in refused(str(tmp_path)).remedy
    # Each once as the folder of a class, and fifty again for what may be meant.
    assert len(looked) <= 1 + 80 + 50


def test_a_folder_per_class_as_export_writes_them(tmp_path):
    split = tmp_path / "test"
    for label in ("0", "1"):
        write_pngs(split / label, 2)
    assert refused(str(tmp_path)).remedy == f"did you mean {split}?"
    names, pixels = read([str(split)])
    assert [name for name, _ in names] == [f"{split}/{c}/{n}.png" for c in "01" for n in "01"]
    np.testing.assert_array_equal(pixels, IMAGES[[0, 1, 0, 1]])
