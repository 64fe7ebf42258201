"""What a dataset holds and how it is stored: order, parts, formats, compression, layouts.

Labels may stand in a column, as in QMNIST, or images on their side, as in EMNIST.
"""

import gzip
import os

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.permutation import source_indices
from idxpipe.components.convert.records import first_examples
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.core.errors import DataError, SetupError, TransientError, UsageError
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.convert.conftest import ARRAYS, tree
from tests.idxfiles import make_arrays, write_data_set, write_idx

IMAGES, LABELS = ARRAYS["train_images"], ARRAYS["train_labels"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("gz"), ARRAYS, gz=True)


def run(files, output, split="train", num_classes=10, **config):
    sources = files["train_images"], files["train_labels"]
    layout = LayoutConfig(num_classes=num_classes)
    return convert(*sources, str(output), ConvertConfig("mnist", **config), layout, split=split)


def read_back(output):
    """Read every record with TensorFlow's own reader and parser."""
    import tensorflow as tf

    dataset = read_dataset(str(output))
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    compression = "GZIP" if dataset.compression == "gzip" else ""
    records = tf.data.TFRecordDataset(shard_uris(str(output), dataset), compression)
    parsed = tf.io.parse_example(list(records.as_numpy_iterator()), features)
    pixels = np.frombuffer(b"".join(parsed["image"].numpy()), np.uint8)
    return pixels.reshape(-1, *dataset.image_shape), parsed["label"].numpy()


@pytest.mark.parametrize("shards", [1, 4])
def test_a_seed_permutes_all_records_over_the_shards(files, packed, tmp_path, shards):
    dataset = run(files, tmp_path / "a", shuffle_seed=3, num_shards=shards)
    order = source_indices(np.arange(3000), 3000, 3)
    images, labels = read_back(tmp_path / "a")
    np.testing.assert_array_equal(images, IMAGES[order])
    np.testing.assert_array_equal(labels, LABELS[order])
    assert dataset.class_counts == tuple(np.bincount(LABELS))
    plain = run(files, tmp_path / "b")
    assert dataset.sources == plain.sources
    run(packed, tmp_path / "c", shuffle_seed=3, num_shards=shards)
    assert tree(tmp_path / "a") == tree(tmp_path / "c")


def test_a_limit_takes_the_first_examples(files, tmp_path):
    dataset = run(files, tmp_path, max_examples=50, num_shards=3)
    images, labels = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES[:50])
    np.testing.assert_array_equal(labels, LABELS[:50])
    assert (dataset.num_examples, dataset.source_examples) == (50, 3000)


def test_a_limit_with_a_seed_takes_some_of_each_class(files, tmp_path):
    run(files, tmp_path, max_examples=100, shuffle_seed=1)
    images, labels = read_back(tmp_path)
    shares = np.bincount(LABELS) / 30
    assert (np.abs(np.bincount(labels, minlength=10) - shares) < 1).all()
    known = {image.tobytes(): label for image, label in zip(IMAGES, LABELS, strict=True)}
    assert [known[image.tobytes()] for image in images] == labels.tolist()


@pytest.mark.parametrize("seed", [-1, 2])
def test_a_validation_set_is_split_off(files, tmp_path, seed):
    rest = run(files, tmp_path, validation_fraction=0.2, shuffle_seed=seed, num_shards=4)
    taken = read_dataset(str(tmp_path / "validation"))
    assert (rest.split, taken.split) == ("train", "validation")
    assert rest.num_examples + taken.num_examples == 3000
    assert taken.num_examples == pytest.approx(600, abs=90)
    assert (len(rest.shards), len(taken.shards)) == (4, 1)
    assert rest.sources == taken.sources
    both = np.concatenate([read_back(tmp_path)[0], read_back(tmp_path / "validation")[0]])
    key = [image.tobytes() for image in both]
    assert sorted(key) == sorted(image.tobytes() for image in IMAGES)


def test_a_validation_set_goes_when_it_is_not_asked_for_any_more(files, tmp_path):
    run(files, tmp_path, validation_fraction=0.2)
    (tmp_path / "validation" / "notes.txt").write_text("mine")
    run(files, tmp_path)
    assert sorted(storage.list_files(str(tmp_path))) == [
        "dataset.json",
        "dataset_info.json",
        "features.json",
        "mnist-train.tfrecord-00000-of-00001",
        "validation/notes.txt",
    ]


def test_gzip_shards(files, tmp_path):
    plain = run(files, tmp_path / "plain", num_shards=2)
    dataset = run(files, tmp_path / "gz", num_shards=2, compression="gzip")
    images, labels = read_back(tmp_path / "gz")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    for shard, other in zip(dataset.shards, plain.shards, strict=True):
        content = gzip.decompress((tmp_path / "gz" / shard.name).read_bytes())
        assert content == (tmp_path / "plain" / other.name).read_bytes()
        assert shard.bytes == os.path.getsize(tmp_path / "gz" / shard.name)


@pytest.mark.parametrize("labels", [10, 300])
def test_array_record_shards(files, tmp_path, labels):
    import tensorflow as tf
    from array_record.python.array_record_module import ArrayRecordReader

    sources = dict(files)
    values = (np.arange(3000) % labels).astype(np.int32)
    sources["train_labels"] = write_idx(tmp_path / "labels", values)
    dataset = run(
        sources, tmp_path / "out", num_shards=2, file_format="array_record", num_classes=labels
    )
    records = []
    for shard in dataset.shards:
        assert ".array_record-" in shard.name
        reader = ArrayRecordReader(str(tmp_path / "out" / shard.name))
        assert reader.num_records() == shard.examples
        records += reader.read_all()
    for record, image, label in zip(records, IMAGES, values, strict=True):
        feature = tf.train.Example.FromString(record).features.feature
        assert feature["image"].bytes_list.value[0] == image.tobytes()
        assert feature["label"].int64_list.value[0] == label


def test_a_change_of_format_replaces_all_shards(files, tmp_path):
    run(files, tmp_path, num_shards=2)
    run(files, tmp_path, file_format="array_record")
    run(files, tmp_path, compression="gzip", shuffle_seed=1)
    assert len(os.listdir(tmp_path)) == 2
    images, _ = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES[source_indices(np.arange(3000), 3000, 1)])


def test_array_record_without_its_package_is_refused_at_once(files, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "array_record.python.array_record_module", None)
    with pytest.raises(SetupError, match="not installed"):
        run(files, tmp_path / "out", file_format="array_record")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_examples": 2, "num_shards": 3}, "more shards than examples"),
        ({"max_examples": 1, "validation_fraction": 0.5}, "no example is left"),
        ({"split": "validation", "validation_fraction": 0.5}, "has none of its own"),
    ],
)
def test_options_that_cannot_be_met(files, tmp_path, options, problem):
    with pytest.raises(UsageError, match=problem):
        run(files, tmp_path / "out", **options)
    assert not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize("options", [{"max_examples": 10}, {"shuffle_seed": 1}])
@pytest.mark.parametrize(
    ("hidden", "error", "said"),
    [
        (False, TransientError, "changed while it was read"),
        # As a tool does that keeps the time of what it copies.
        (True, DataError, "changed since it was validated"),
    ],
)
def test_a_source_that_changes_while_parts_of_it_are_read(
    files, tmp_path, monkeypatch, options, hidden, error, said
):
    from idxpipe.components.convert.beam import pipeline as beam_pipeline

    sources = dict(files)
    sources["train_images"] = write_idx(tmp_path / "images", IMAGES)
    run_pipeline = beam_pipeline.run_pipeline

    def and_change(*args):
        run_pipeline(*args)
        before = os.stat(tmp_path / "images")
        write_idx(tmp_path / "images", IMAGES[::-1].copy())
        if hidden:
            os.utime(tmp_path / "images", ns=(before.st_atime_ns, before.st_mtime_ns))

    monkeypatch.setattr(beam_pipeline, "run_pipeline", and_change)
    with pytest.raises(error, match=said):
        run(sources, tmp_path / "out", **options)
    assert not (tmp_path / "out" / "dataset.json").exists()


TALL = make_arrays(train=50, shape=(28, 14))


TALL_IMAGES = TALL["train_images"]


TALL_LABELS = TALL["train_labels"]


def label_rows(column):
    rows = np.full((50, 8), 77, np.int32)
    rows[:, column] = TALL_LABELS
    return rows


@pytest.mark.parametrize("config", [{}, {"shuffle_seed": 3}, {"max_examples": 20}])
@pytest.mark.parametrize("column", [0, 5])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_both_become_a_plain_dataset(tmp_path, config, column, suffix):
    on_their_side = np.ascontiguousarray(TALL_IMAGES.swapaxes(1, 2))
    sides = write_idx(tmp_path / f"i{suffix}", on_their_side)
    rows = write_idx(tmp_path / f"l{suffix}", label_rows(column))
    config = ConvertConfig(**config)
    layout = LayoutConfig(image_shape="28x14", label_column=column, transposed=True)
    convert(sides, rows, str(tmp_path / "a"), config, layout)
    plain = write_idx(tmp_path / "images", TALL_IMAGES), write_idx(tmp_path / "labels", TALL_LABELS)
    convert(*plain, str(tmp_path / "b"), config, LayoutConfig(image_shape="28x14"))
    one, other = (read_dataset(str(tmp_path / name)) for name in "ab")
    assert [s.crc32c for s in one.shards] == [s.crc32c for s in other.shards]
    assert one.image_shape == (28, 14)
    assert one.class_counts == other.class_counts


def test_wider_types_are_turned_too(tmp_path):
    images = (TALL_IMAGES[:3].astype(np.float32) / 7).reshape(3, 28, 7, 2)
    sides = write_idx(tmp_path / "i", images.swapaxes(1, 2))
    labels = write_idx(tmp_path / "l", TALL_LABELS[:3])
    layout = LayoutConfig(image_shape="auto", transposed=True)
    convert(sides, labels, str(tmp_path / "d"), ConvertConfig(), layout)
    for example, image in zip(first_examples(str(tmp_path / "d"), 3), images, strict=True):
        np.testing.assert_array_equal(example.image, image)


def test_a_column_that_is_not_there_is_refused(tmp_path):
    images, labels = (
        write_idx(tmp_path / "i", TALL_IMAGES),
        write_idx(tmp_path / "l", label_rows(0)),
    )
    with pytest.raises(DataError, match="labels have no such column"):
        convert(images, labels, str(tmp_path / "d"), ConvertConfig(), LayoutConfig(label_column=8))
    assert not (tmp_path / "d").exists()
