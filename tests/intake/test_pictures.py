import zipfile

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.found import ImagesError
from idxpipe.components.intake.pictures import read_pictures
from idxpipe.components.intake.tree import Archive, Folder
from tests.intake.pictures import pixels, save, write_classes


def read(folder, scratch, **options):
    scratch.mkdir(exist_ok=True)
    return read_pictures(Folder(str(folder)), ImportConfig(**options), str(scratch))


def by_name(found):
    return {
        origin: (part.split, found.class_names[label], part.images[np.array([row])][0])
        for part in found.parts
        for row, (origin, label) in enumerate(zip(part.origins, part.labels, strict=True))
    }


def test_a_folder_per_class(tmp_path):
    made = write_classes(tmp_path / "a", ("dog", "cat"))
    found = read(tmp_path / "a", tmp_path / "s")
    assert found.class_names == ("cat", "dog")
    for name, (split, class_name, image) in by_name(found).items():
        assert split == ""
        assert class_name == name.split("/")[0]
        assert np.array_equal(image, made[name])


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "t10k"), ("train", "val")])
def test_folders_named_after_splits(names, tmp_path):
    for name in names:
        write_classes(tmp_path / "a" / name, count=3)
    found = read(tmp_path / "a", tmp_path / "s")
    assert {part.split: len(part.labels) for part in found.parts} == {"train": 6, "test": 6}
    assert found.class_names == ("cat", "dog")


def test_a_validation_split_beside_a_test_split_is_left_out_and_said(tmp_path):
    for name in ("train", "test", "val"):
        write_classes(tmp_path / "a" / name, count=1)
    found = read(tmp_path / "a", tmp_path / "s")
    assert found.left_out == ("val/cat/0.png", "val/dog/0.png")
    assert len(by_name(found)) == 4


def test_an_archive_of_one_folder(tmp_path):
    write_classes(tmp_path / "a", count=2)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((tmp_path / "a").rglob("*.png")):
            archive.write(file, f"my data/{file.relative_to(tmp_path / 'a')}")
        archive.writestr("my data/README.txt", "hello")
    found = read_pictures(Archive(str(path), str(path)), ImportConfig(), str(tmp_path))
    assert found.class_names == ("cat", "dog")
    assert found.left_out == ("my data/README.txt",)
    assert set(by_name(found)) == {f"my data/{c}/{n}.png" for c in ("cat", "dog") for n in "01"}


def test_images_in_folders_within_a_class_are_of_that_class(tmp_path):
    write_classes(tmp_path / "a", count=1)
    save(tmp_path / "a" / "cat" / "more" / "x.png", pixels(7))
    assert by_name(read(tmp_path / "a", tmp_path / "s"))["cat/more/x.png"][1] == "cat"


def test_images_of_no_class_are_refused(tmp_path):
    write_classes(tmp_path / "a", count=1)
    save(tmp_path / "a" / "x.png", pixels(7))
    with pytest.raises(UsageError, match=r"x\.png"):
        read(tmp_path / "a", tmp_path / "s")


def test_many_are_decoded_by_several_processes_to_the_same(tmp_path, monkeypatch):
    write_classes(tmp_path / "a", count=30)
    (tmp_path / "a" / "dog" / "7.png").write_bytes(b"no image")
    alone = read(tmp_path / "a", tmp_path / "s")
    monkeypatch.setattr("idxpipe.components.intake.pool._ALONE", 0)
    monkeypatch.setattr("idxpipe.components.intake.pool._CHUNK", 7)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    together = read(tmp_path / "a", tmp_path / "t")
    assert together.bad == alone.bad
    assert len(alone.bad) == 1
    images = [part.images[np.arange(59)] for found in (alone, together) for part in found.parts]
    assert np.array_equal(*images)


def test_sizes_that_differ_are_named(tmp_path):
    write_classes(tmp_path / "a")
    save(tmp_path / "a" / "cat" / "odd.png", pixels(7, (9, 9)))
    with pytest.raises(ImagesError) as caught:
        read(tmp_path / "a", tmp_path / "s")
    text = str(caught.value)
    assert "20 of 8x6, 1 of 9x9" in text
    assert "cat/odd.png: 9x9" in text
    assert "--resize" in text


def test_the_odd_one_is_named_although_it_comes_first(tmp_path):
    write_classes(tmp_path / "a")
    save(tmp_path / "a" / "cat" / "-.png", pixels(7, (9, 9)))
    with pytest.raises(ImagesError) as caught:
        read(tmp_path / "a", tmp_path / "s")
    assert [image.name for image in caught.value.images] == ["cat/-.png"]


def test_modes_that_differ_are_named(tmp_path):
    write_classes(tmp_path / "a")
    save(tmp_path / "a" / "dog" / "odd.png", pixels(7, (8, 6, 3)))
    with pytest.raises(ImagesError, match="grayscale") as caught:
        read(tmp_path / "a", tmp_path / "s")
    assert "dog/odd.png: colour" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"grayscale": True, "resize": "8x6"}, (8, 6)),
        ({"rgb": True, "resize": "4x4"}, (4, 4, 3)),
    ],
)
def test_flags_make_them_the_same(options, shape, tmp_path):
    write_classes(tmp_path / "a")
    save(tmp_path / "a" / "dog" / "odd.png", pixels(7, (9, 9, 3)))
    found = read(tmp_path / "a", tmp_path / "s", **options)
    assert found.parts[0].images.shape == (21, *shape)
    assert not found.bad


def test_bad_ones_are_listed(tmp_path):
    write_classes(tmp_path / "a")
    (tmp_path / "a" / "cat" / "3.png").write_bytes(b"")
    (tmp_path / "a" / "dog" / "5.png").write_bytes(b"<html>")
    found = read(tmp_path / "a", tmp_path / "s")
    assert [bad.name for bad in found.bad] == ["cat/3.png", "dog/5.png"]
    assert (found.total, len(by_name(found))) == (20, 18)


def test_the_shape_of_rows_is_not_one_of_images(tmp_path):
    write_classes(tmp_path / "a")
    with pytest.raises(UsageError, match="--resize"):
        read(tmp_path / "a", tmp_path / "s", image_shape="8x6")


def test_too_many_classes_are_said_with_the_place(tmp_path):
    save(tmp_path / "a" / "10000" / "0.png", pixels(0))
    with pytest.raises(DataError, match=str(tmp_path / "a")):
        read(tmp_path / "a", tmp_path / "s")
