import dataclasses
import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from idxpipe.components.convert import stage
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import DataError, SetupError, TransientError, UsageError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.convert.conftest import ARRAYS, read_back, run, tree
from tests.idxfiles import idx_bytes, write_data_set, write_idx

IMAGES, LABELS = ARRAYS["train_images"], ARRAYS["train_labels"]


@pytest.mark.parametrize("shards", [1, 7])
def test_tensorflow_reads_every_pixel_and_label_back(files, tmp_path, shards):
    dataset = run(files, tmp_path, shards)
    images, labels = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert dataset.class_counts == tuple(np.bincount(LABELS))
    assert len(dataset.shards) == shards
    assert read_dataset(str(tmp_path)) == dataset


@pytest.mark.parametrize(
    ("split", "name", "count"), [("train", "train", 60_000), ("test", "t10k", 10_000)]
)
def test_every_pixel_and_label_of_mnist(tmp_path, split, name, count):
    sources = [f"data/mnist/{name}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    convert(*sources, str(tmp_path), ConvertConfig(num_shards=4), split=split)
    images, labels = read_back(tmp_path)
    pixels, classes = (gzip.decompress(Path(source).read_bytes()) for source in sources)
    assert images.shape == (count, 28, 28)
    assert images.tobytes() == pixels[16:]
    assert labels.astype(np.uint8).tobytes() == classes[8:]


def test_sources_are_named_by_their_content(files, tmp_path):
    dataset = run(files, tmp_path, 3)
    assert dataset.sources == {
        "images": str(Fingerprint().extend(idx_bytes(IMAGES))),
        "labels": str(Fingerprint().extend(idx_bytes(LABELS))),
    }


def test_the_same_bytes_from_plain_and_gzip_and_by_any_number_of_workers(files, tmp_path):
    packed = write_data_set(tmp_path / "gz", ARRAYS, gz=True)
    run(files, tmp_path / "a", 3)
    run(packed, tmp_path / "b", 3)
    run(files, tmp_path / "c", 3, config={"beam_options": "--direct_num_workers=1"})
    assert tree(tmp_path / "a") == tree(tmp_path / "b") == tree(tmp_path / "c")


def test_a_conversion_cut_off_makes_only_what_is_missing(files, tmp_path, monkeypatch):
    from idxpipe.components.convert.beam import pipeline as beam_pipeline

    make = beam_pipeline.make_shard
    made = []

    def fail_on_the_last(task, advance):
        if task.name.endswith("00003-of-00004"):
            raise SetupError("disk full")
        return make(task, advance)

    monkeypatch.setattr(beam_pipeline, "make_shard", fail_on_the_last)
    with pytest.raises(SetupError, match="disk full"):
        run(files, tmp_path, 4)
    assert not storage.exists(str(tmp_path / "dataset.json"))
    kept = {n: os.stat(tmp_path / n).st_ino for n in os.listdir(tmp_path) if "tfrecord" in n}
    assert len(kept) == 3

    monkeypatch.setattr(beam_pipeline, "make_shard", lambda *args: made.append(args) or make(*args))
    run(files, tmp_path, 4)
    assert len(made) == 4
    assert {name: os.stat(tmp_path / name).st_ino for name in kept} == kept
    images, _ = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)


def test_a_killed_conversion_leaves_no_dataset_and_the_next_is_whole(files, tmp_path):
    code = f"""
import os, signal
from idxpipe.components.convert import shard
from idxpipe.components.convert.beam import pipeline as beam_pipeline
from idxpipe.components.convert import stage
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
make = shard.make_shard
def kill(task, advance):
    if task.start:
        os.kill(os.getpid(), signal.SIGKILL)
    return make(task, advance)
beam_pipeline.make_shard = kill
convert({files["train_images"]!r}, {files["train_labels"]!r}, {str(tmp_path)!r},
        ConvertConfig("mnist", num_shards=4))
"""
    run(files, tmp_path, 3)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(DataError, match="no dataset here"):
        read_dataset(str(tmp_path))
    run(files, tmp_path, 2)
    assert len(os.listdir(tmp_path)) == 2 + 3
    images, labels = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_other_types_are_stored_little_endian(tmp_path, dtype):
    images = (np.arange(20 * 12) * 37 % 251).reshape(20, 3, 4).astype(dtype)
    labels = (np.arange(20) * 61 % 500).astype(np.int32)
    sources = (write_idx(tmp_path / "i", images), write_idx(tmp_path / "l", labels))
    convert(
        *sources,
        str(tmp_path / "out"),
        ConvertConfig(),
        LayoutConfig(num_classes=0, image_shape="3x4"),
    )
    dataset = read_dataset(str(tmp_path / "out"))
    assert (dataset.image_dtype, dataset.num_classes) == (dtype, 1 + labels.max())
    found_images, found_labels = read_back(tmp_path / "out")
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda images, labels: (images[:-1], labels), "cut short"),
        (lambda images, labels: (images + b"\0", labels), "goes on after"),
        (lambda images, labels: (b"\1" + images[1:], labels), "not an IDX file"),
        (lambda images, labels: (images, idx_bytes(LABELS[:-1])), "differ in number"),
        (lambda images, labels: (idx_bytes(IMAGES.reshape(-1, 14, 56)), labels), "wrong shape"),
        (lambda images, labels: (images, labels[:-1] + b"\xc8"), "label out of range"),
        (
            lambda images, labels: (images[:4] + b"\xff" * 4 + images[8:], labels),
            "cut short|differ in number",
        ),
    ],
    ids=["truncated", "trailing", "magic", "count", "shape", "label", "huge"],
)
def test_bad_sources_are_refused_and_nothing_is_written(tmp_path, gz, change, problem):
    images, labels = change(idx_bytes(IMAGES), idx_bytes(LABELS))
    for name, data in (("i", images), ("l", labels)):
        (tmp_path / name).write_bytes(gzip.compress(data, 1) if gz else data)
    with pytest.raises(DataError, match=problem) as caught:
        convert(str(tmp_path / "i"), str(tmp_path / "l"), str(tmp_path / "out"), ConvertConfig())
    assert caught.value.where in (str(tmp_path / "i"), str(tmp_path / "l"))
    assert sorted(os.listdir(tmp_path)) == ["i", "l"]


@pytest.mark.parametrize("gz", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("role", [0, 1])
def test_a_source_that_changed_since_validation_is_refused(tmp_path, gz, role):
    sources = write_data_set(tmp_path / "data", ARRAYS, gz=gz)
    right = run(sources, tmp_path / "out").sources
    expected = [right["images"], right["labels"]]
    run(sources, tmp_path / "out", expected=tuple(expected))
    expected[role] = "1-00000000"
    with pytest.raises(DataError, match="changed since it was validated"):
        run(sources, tmp_path / "other", expected=tuple(expected))
    assert not storage.exists(str(tmp_path / "other" / "dataset.json"))


@pytest.mark.parametrize("seed", [-1, 5], ids=["in order", "shuffled"])
@pytest.mark.parametrize("role", ["train_images", "train_labels"])
def test_a_source_that_is_written_to_meanwhile_is_refused(tmp_path, monkeypatch, role, seed):
    """In the same length, after it was looked at and before the workers read it."""
    files = write_data_set(tmp_path / "data", ARRAYS)

    def change(part):
        path = Path(files[role])
        data = path.read_bytes()
        with open(path, "r+b") as stream:
            stream.write(data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(stage, "note_plan", change)
    with pytest.raises((DataError, TransientError), match="changed") as caught:
        run(files, tmp_path / "out", 3, config={"shuffle_seed": seed})
    assert caught.value.where == files[role]
    assert not storage.exists(str(tmp_path / "out" / "dataset.json"))


def test_a_place_that_cannot_be_written_is_an_error_without_traceback(files, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="crosses a file"):
        run(files, tmp_path / "file" / "out")
    assert "Traceback" not in capfd.readouterr().err


def test_parameters_that_cannot_be_met(files, tmp_path):
    with pytest.raises(UsageError, match="more shards than examples"):
        run(files, tmp_path / "a", 3001)
    with pytest.raises(UsageError, match="not a name"):
        run(files, tmp_path / "a", split="../x")


@pytest.mark.parametrize(
    ("options", "says", "expected", "found"),
    [
        ("--no_such_option=1", "unknown Beam option", "options of the Beam", "--no_such_option=1"),
        ("--help", "unknown Beam option", "options of the Beam", "--help"),
        ("--direct_num_workers=many", "option --direct_num_workers", "type int", "'many'"),
        ("--direct_running_mode=foo", "option --direct_running_mode", "in_memory", "'foo'"),
        ("--region=r --project", "option --project", "one argument", "--region=r --project"),
    ],
)
def test_a_beam_option_that_is_none_is_one_error_of_ours(
    files, tmp_path, capfd, options, says, expected, found
):
    with pytest.raises(UsageError, match=says) as caught:
        run(files, tmp_path / "a", config={"beam_options": options})
    assert expected in caught.value.expected
    assert caught.value.found == found
    assert "usage:" not in "".join(capfd.readouterr())
    assert not (tmp_path / "a").exists()


def test_workers_in_processes_of_their_own_say_what_is_wrong_too(files, tmp_path):
    (tmp_path / "out" / "mnist-train.tfrecord-00000-of-00001" / "in the way").mkdir(parents=True)
    processes = "--direct_running_mode=multi_processing --direct_num_workers=1"
    with pytest.raises(DataError, match="ends in a folder") as caught:
        run(files, tmp_path / "out", 1, config={"beam_options": processes})
    assert caught.value.where.endswith("-00000-of-00001")


def test_beam_says_nothing_of_its_own(files, tmp_path):
    code = (
        "import sys\n"
        "from idxpipe.components.convert.config import ConvertConfig\n"
        "from idxpipe.components.convert.stage import convert\n"
        "convert(*sys.argv[1:], ConvertConfig())\n"
        "print(sorted({'tensorflow', 'kfp', 'keras'} & set(sys.modules)))\n"
    )
    arguments = [files["train_images"], files["train_labels"], str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_manifest_is_what_others_rely_on(files, tmp_path):
    run(files, tmp_path, 1)
    body = json.loads((tmp_path / "dataset.json").read_bytes())
    assert body["image_shape"] == [28, 28]
    assert body["image_dtype"] == "uint8"
    assert body["num_examples"] == 3000
    assert body["shards"][0]["bytes"] == 3000 * 838
    # What most data sets have not is not written, so that their manifests are what they were.
    seldom = {"pixel_range", "layout", "sorted_by_class", "class_names"}
    assert {f.name for f in dataclasses.fields(read_dataset(str(tmp_path)))} - seldom <= set(body)
    assert not seldom & set(body)


def stored(folder, images, labels, **layout):
    sources = [write_idx(folder / "images", images), write_idx(folder / "labels", labels)]
    layout = LayoutConfig(**{"image_shape": "auto"} | layout)
    return convert(*sources, str(folder / "made"), ConvertConfig(), layout)


@pytest.mark.parametrize(
    ("how", "layout"),
    [
        (lambda images: images.swapaxes(1, 2), {"transposed": True}),
        (lambda images: np.moveaxis(images, -1, 1), {"channels_first": True}),
        (
            lambda images: images.reshape(len(images), -1),
            {"flattened": True, "image_shape": "5x6x3"},
        ),
        (
            lambda images: np.moveaxis(images, -1, 1).reshape(len(images), -1),
            {"channels_first": True, "flattened": True, "image_shape": "5x6x3"},
        ),
    ],
)
def test_every_order_of_pixels_becomes_upright_channels_last(tmp_path, how, layout):
    images = np.random.default_rng(0).integers(0, 256, (30, 5, 6, 3)).astype(np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    dataset = stored(tmp_path, how(images), labels, **layout)
    assert dataset.image_shape == (5, 6, 3)
    recorded = {name: value for name, value in layout.items() if name != "image_shape"}
    assert dataset.layout == recorded
    made, _ = read_back(tmp_path / "made")
    np.testing.assert_array_equal(made.reshape(images.shape), images)


def test_one_hot_rows_are_refused_and_taken_if_said(tmp_path):
    labels = np.arange(30) % 10
    rows = np.eye(10, dtype=np.uint8)[labels]
    with pytest.raises(DataError, match="one-hot"):
        stored(tmp_path, IMAGES[:30], rows)
    stored(tmp_path, IMAGES[:30], rows, one_hot=True)
    np.testing.assert_array_equal(read_back(tmp_path / "made")[1], labels)


def test_labels_from_1_on_become_classes_from_0_on(tmp_path):
    labels = (np.arange(52) % 26 + 1).astype(np.uint8)
    dataset = stored(tmp_path, IMAGES[:52], labels, label_offset=1, num_classes=26)
    assert (dataset.num_classes, dataset.layout) == (26, {"label_offset": 1})
    assert dataset.class_counts == (2,) * 26
    np.testing.assert_array_equal(read_back(tmp_path / "made")[1], labels - 1)


@pytest.mark.parametrize(
    ("dtype", "asked", "recorded"),
    [
        ("uint8", "auto", None),
        ("uint8", "0,255", None),
        ("uint8", "0,1", (0.0, 1.0)),
        ("int8", "auto", (-128.0, 127.0)),
        ("int16", "auto", (0.0, 99.0)),
        ("int32", "auto", (0.0, 99.0)),
        ("float32", "auto", (0.0, 99.0)),
        ("float64", "auto", (0.0, 99.0)),
        ("float64", "-1,300", (-1.0, 300.0)),
    ],
)
def test_the_pixels_that_become_0_and_1_are_recorded(tmp_path, dtype, asked, recorded):
    images = (np.arange(30 * 6).reshape(30, 2, 3) % 100).astype(dtype)
    made = stored(tmp_path, images, (np.arange(30) % 10).astype(np.uint8), pixel_range=asked)
    assert made.pixel_range == recorded
    assert read_dataset(str(tmp_path / "made")) == made


def test_sorted_examples_are_recorded(tmp_path):
    labels = np.repeat(np.arange(10), 20).astype(np.uint8)
    assert stored(tmp_path, IMAGES[:200], labels).sorted_by_class
    sources = [str(tmp_path / "images"), str(tmp_path / "labels")]
    mixed = convert(*sources, str(tmp_path / "mixed"), ConvertConfig(shuffle_seed=0))
    assert not mixed.sorted_by_class


def test_names_of_classes_beside_the_labels_are_recorded(tmp_path):
    labels = (np.arange(30) % 10).astype(np.uint8)
    names = [f"class {number}" for number in range(10)]
    (tmp_path / "classes.json").write_text(json.dumps({"class_names": names}))
    assert stored(tmp_path, IMAGES[:30], labels).class_names == tuple(names)
