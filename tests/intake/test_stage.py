"""Imports as a whole; what they write is read by NumPy, idx2numpy, TensorFlow and `validate`."""

import csv
import gzip
import json
import os
import zipfile
from pathlib import Path

import idx2numpy
import numpy as np
import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.found import ImagesError
from idxpipe.components.intake.stage import import_data
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.stage import validate
from tests.intake.pictures import pixels, save, write_classes

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def run(source, output, **options):
    return import_data(str(source), str(output), ImportConfig(**options))


def sources(output):
    with open(output / "sources.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def accepted(output):
    config = ValidateConfig(num_classes=0, image_shape="auto")
    return validate(find_files(DataConfig(data=str(output))), config)


def check_against_sources(output, made):
    """Hold every pixel and label of the files against what `sources.csv` says of them."""
    arrays = {name: idx2numpy.convert_from_file(str(output / file)) for name, file in NAMES.items()}
    names = json.loads((output / "classes.json").read_text())["class_names"]
    rows = sources(output)
    for row in rows:
        index, split = int(row["index"]), row["split"]
        assert np.array_equal(arrays[f"{split}_images"][index], made[row["source"]])
        assert arrays[f"{split}_labels"][index] == int(row["label"])
        assert names[int(row["label"])] == row["class"] == row["source"].split("/")[-2]
    assert sorted(row["source"] for row in rows) == sorted(made)
    return rows


def test_folders_of_images_become_a_data_set(tmp_path):
    made = write_classes(tmp_path / "a", count=50)
    done = run(tmp_path / "a", tmp_path / "out")
    assert done.files == NAMES
    assert done.num_examples == {"train": 90, "test": 10}
    assert done.held_out
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        [*NAMES.values(), "classes.json", "sources.csv"]
    )
    rows = check_against_sources(tmp_path / "out", made)
    assert [row["class"] for row in rows if row["split"] == "test"].count("cat") == 5
    found = accepted(tmp_path / "out")
    assert (found.num_classes, found.image_shape) == (2, (8, 6))
    assert not [finding for finding in found.findings if finding.severity == "error"]


def test_images_are_not_left_in_the_order_of_their_classes(tmp_path):
    write_classes(tmp_path / "a", count=50)
    run(tmp_path / "a", tmp_path / "out")
    labels = idx2numpy.convert_from_file(str(tmp_path / "out" / NAMES["train_labels"]))
    assert 20 < np.count_nonzero(np.diff(labels.astype(int))) < 70


def test_the_same_again_is_the_same_bytes_and_another_seed_is_not(tmp_path):
    write_classes(tmp_path / "a", count=20)
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run(tmp_path / "a", tmp_path / name, seed=seed, gzip=True)

    def content(name):
        return [(file.name, file.read_bytes()) for file in sorted((tmp_path / name).iterdir())]

    assert content("one") == content("again")
    assert content("one") != content("other")


def test_tensorflow_reads_gzip(tmp_path):
    tf = pytest.importorskip("tensorflow")
    write_classes(tmp_path / "a", count=10)
    run(tmp_path / "a", tmp_path / "plain")
    run(tmp_path / "a", tmp_path / "packed", gzip=True)
    path = str(tmp_path / "packed" / "train-images-idx3-ubyte.gz")
    read = tf.data.FixedLengthRecordDataset(path, 48, 16, compression_type="GZIP")
    theirs = [record.numpy() for record in read]
    ours = idx2numpy.convert_from_file(str(tmp_path / "plain" / NAMES["train_images"]))
    assert theirs == [image.tobytes() for image in ours]
    accepted(tmp_path / "packed")


def test_colours_become_four_dimensions(tmp_path):
    write_classes(tmp_path / "a", count=10, shape=(8, 6, 3))
    done = run(tmp_path / "a", tmp_path / "out")
    assert done.files["train_images"] == "train-images-idx4-ubyte"
    assert accepted(tmp_path / "out").image_shape == (8, 6, 3)


def test_a_source_that_has_a_test_split_keeps_it(tmp_path):
    for name in ("train", "test"):
        write_classes(tmp_path / "a" / name, count=3)
    done = run(tmp_path / "a", tmp_path / "out")
    assert not done.held_out
    assert all(row["source"].startswith(row["split"]) for row in sources(tmp_path / "out"))


def test_more_than_256_classes(tmp_path):
    for number in range(300):
        save(tmp_path / "a" / str(number) / "0.png", pixels(number))
        save(tmp_path / "a" / str(number) / "1.png", pixels(number + 1000))
    done = run(tmp_path / "a", tmp_path / "out", test_fraction=0.5)
    assert done.files["train_labels"] == "train-labels-idx1-short"
    assert accepted(tmp_path / "out").num_classes == 300


def test_bad_images_stop_it_and_nothing_is_written(tmp_path):
    write_classes(tmp_path / "a")
    for number in range(30):
        (tmp_path / "a" / "cat" / f"bad\x1b[2J{number:02}.png").write_bytes(b"no")
    with pytest.raises(ImagesError) as caught:
        run(tmp_path / "a", tmp_path / "new" / "out")
    text = str(caught.value)
    assert "30 of 50 images" in text
    assert "\x1b" not in text
    assert r"bad\x1b[2J00.png: not a PNG" in text
    assert "and 10 more" in text
    assert len(caught.value.images) == 30
    assert os.listdir(tmp_path) == ["a"]


def test_bad_images_are_left_out_when_told_and_listed(tmp_path):
    made = write_classes(tmp_path / "a")
    (tmp_path / "a" / "cat" / "3.png").write_bytes(b"no")
    del made["cat/3.png"]
    done = run(tmp_path / "a", tmp_path / "out", skip_bad=True)
    assert sum(done.num_examples.values()) == 19
    assert (tmp_path / "out" / "skipped.csv").read_text().splitlines()[1].startswith("cat/3.png,")
    check_against_sources(tmp_path / "out", made)


def test_only_bad_images(tmp_path):
    write_classes(tmp_path / "a", count=1)
    for file in (tmp_path / "a").rglob("*.png"):
        file.write_bytes(b"no")
    with pytest.raises(ImagesError):
        run(tmp_path / "a", tmp_path / "out")
    with pytest.raises(DataError, match="no examples"):
        run(tmp_path / "a", tmp_path / "out", skip_bad=True)


@pytest.mark.parametrize("there", ["other.txt", "train-images-idx3-ubyte", ".hidden"])
def test_a_folder_with_something_in_it_is_refused(there, tmp_path):
    write_classes(tmp_path / "a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("mine")
    with pytest.raises(UsageError, match="something already"):
        run(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / there).read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path):
    write_classes(tmp_path / "a")
    (tmp_path / "out").mkdir()
    run(tmp_path / "a", tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["a", "out"]


def test_a_class_of_one_example_stays_with_training(tmp_path):
    write_classes(tmp_path / "a")
    save(tmp_path / "a" / "rare" / "0.png", pixels(99))
    run(tmp_path / "a", tmp_path / "out")
    assert {r["split"] for r in sources(tmp_path / "out") if r["class"] == "rare"} == {"train"}


@pytest.mark.parametrize("what", ["nothing", "empty", "text"])
def test_nothing_to_import(what, tmp_path):
    if what != "nothing":
        (tmp_path / "a").mkdir()
    if what == "text":
        (tmp_path / "a" / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="nothing here"):
        run(tmp_path / "a", tmp_path / "out")


def test_names_that_are_no_text(tmp_path):
    write_classes(tmp_path / "a")
    raw = os.fsencode(tmp_path / "a" / "cat") + b"/caf\xe9.png"
    os.rename(tmp_path / "a" / "cat" / "0.png", raw)
    run(tmp_path / "a", tmp_path / "out")
    assert r"cat/caf\udce9.png" in (tmp_path / "out" / "sources.csv").read_text()


def test_from_a_bucket_to_a_bucket(one_gcs, tmp_path):
    from idxpipe.components.core import storage

    write_classes(tmp_path / "a")
    for file in (tmp_path / "a").rglob("*.png"):
        storage.put(str(file), f"{one_gcs}/a/{file.relative_to(tmp_path / 'a')}")
    run(f"{one_gcs}/a", f"{one_gcs}/out")
    run(tmp_path / "a", tmp_path / "out")
    for name in (*NAMES.values(), "sources.csv", "classes.json"):
        assert storage.read(f"{one_gcs}/out/{name}") == (tmp_path / "out" / name).read_bytes()


def real(count=None):
    """Arrays of the real MNIST by their names in Keras' file."""
    found = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        for key, kind in (("x", "images-idx3"), ("y", "labels-idx1")):
            content = gzip.decompress(Path(f"data/mnist/{stem}-{kind}-ubyte.gz").read_bytes())
            shape = (-1, 28, 28) if key == "x" else (-1,)
            array = np.frombuffer(content, np.uint8, offset=16 if key == "x" else 8)
            found[f"{key}_{split}"] = array.reshape(shape)[:count]
    return found


def test_the_real_mnist_comes_back_byte_for_byte_from_numpy(tmp_path):
    np.savez_compressed(tmp_path / "mnist.npz", **real())
    run(tmp_path / "mnist.npz", tmp_path / "out")
    for name in NAMES.values():
        original = gzip.decompress(Path(f"data/mnist/{name}.gz").read_bytes())
        assert (tmp_path / "out" / name).read_bytes() == original


def test_and_from_kaggles_table(tmp_path):
    arrays = real(500)
    (tmp_path / "k").mkdir()
    for split in ("train", "test"):
        table = np.column_stack([arrays[f"y_{split}"], arrays[f"x_{split}"].reshape(-1, 784)])
        head = ",".join(["label", *(f"pixel{number}" for number in range(784))])
        path = tmp_path / "k" / f"mnist_{split}.csv"
        np.savetxt(path, table, "%d", ",", header=head, comments="")
    with zipfile.ZipFile(tmp_path / "k.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (tmp_path / "k").iterdir():
            archive.write(file, file.name)
    run(tmp_path / "k.zip", tmp_path / "out")
    for key, name in zip(("x_train", "y_train", "x_test", "y_test"), NAMES.values(), strict=True):
        read = idx2numpy.convert_from_file(str(tmp_path / "out" / name))
        assert np.array_equal(read, arrays[key])


def test_what_export_draws_comes_back(tmp_path):
    """Images in folders: the same pairs, in another order."""
    from idxpipe.components.convert.config import ConvertConfig
    from idxpipe.components.convert.export import export
    from idxpipe.components.convert.stage import convert

    files = [f"data/mnist/t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    config = ConvertConfig(num_shards=1, max_examples=300)
    convert(*files, str(tmp_path / "records"), config, split="train")
    export(str(tmp_path / "records"), "png", str(tmp_path / "a"))
    run(tmp_path / "a" / "train", tmp_path / "out")
    originals = real(300)
    pairs = sorted(zip(map(bytes, originals["x_test"]), originals["y_test"], strict=True))
    made = []
    for split in ("train", "test"):
        images, labels = (
            idx2numpy.convert_from_file(str(tmp_path / "out" / NAMES[f"{split}_{kind}"]))
            for kind in ("images", "labels")
        )
        made += zip(map(bytes, images), labels, strict=True)
    assert sorted(made) == pairs


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        run(tmp_path / "nowhere", tmp_path / "out")
