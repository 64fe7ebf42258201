"""Several conversions and one folder: one whole dataset, and nothing of another is lost."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from idxpipe.components.convert import publish
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import DataError, TransientError, UsageError
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.convert.conftest import ARRAYS, read_back, run, tree
from tests.idxfiles import write_idx

IMAGES = ARRAYS["train_images"]


def test_only_the_shards_and_what_describes_them_are_left(files, tmp_path):
    run(files, tmp_path, 2)
    assert sorted(storage.list_files(str(tmp_path))) == [
        "dataset.json",
        "dataset_info.json",
        "features.json",
        "mnist-train.tfrecord-00000-of-00002",
        "mnist-train.tfrecord-00001-of-00002",
    ]


def test_another_number_of_shards_replaces_the_first(files, tmp_path):
    run(files, tmp_path, 5)
    (tmp_path / "notes.txt").write_text("mine")
    run(files, tmp_path, 2)
    names = sorted(storage.list_files(str(tmp_path)))
    assert [name for name in names if "tfrecord" in name] == [
        "mnist-train.tfrecord-00000-of-00002",
        "mnist-train.tfrecord-00001-of-00002",
    ]
    assert "notes.txt" in names
    assert not [name for name in names if "_receipts" in name]


def test_trust_2_conversions_at_once_into_one_folder_leave_one_whole_dataset(files, tmp_path):
    code = (
        "import sys\n"
        "from idxpipe.components.convert.config import ConvertConfig\n"
        "from idxpipe.components.convert.stage import convert\n"
        "convert(*sys.argv[1:4], ConvertConfig(num_shards=int(sys.argv[4])))\n"
    )
    sources = [files["train_images"], files["train_labels"], str(tmp_path)]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, *sources, str(shards)])
        for shards in (3, 5, 4)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    dataset = read_dataset(str(tmp_path))
    assert len(os.listdir(tmp_path)) == len(dataset.shards) + 3
    images, _ = read_back(tmp_path)
    np.testing.assert_array_equal(images, IMAGES)


@pytest.mark.parametrize("gone", ["dataset", "receipts"])
def test_interference_where_there_are_no_locks_is_noticed(files, tmp_path, monkeypatch, gone):
    from idxpipe.components.convert import publish
    from idxpipe.components.convert.beam import pipeline as beam_pipeline

    if gone == "receipts":
        run_pipeline = beam_pipeline.run_pipeline

        def and_delete(*args):
            run_pipeline(*args)
            storage.delete(str(tmp_path / "_receipts"))

        monkeypatch.setattr(beam_pipeline, "run_pipeline", and_delete)
    else:
        shard = str(tmp_path / "mnist-train.tfrecord-00000-of-00002")
        monkeypatch.setattr(publish, "_delete_stale", lambda *_: storage.delete(shard))
    with pytest.raises(TransientError, match="another conversion"):
        run(files, tmp_path, 2)
    with pytest.raises(DataError, match="no dataset here"):
        read_dataset(str(tmp_path))


@pytest.mark.parametrize("shards", [2, 3])
def test_of_two_that_make_the_same_one_wins_and_both_end_well(files, tmp_path, monkeypatch, shards):
    from idxpipe.components.convert.beam import pipeline as beam_pipeline

    known = run(files, tmp_path / "known").sources
    expected = (known["images"], known["labels"])
    run_pipeline = beam_pipeline.run_pipeline

    def and_another(*args):
        run_pipeline(*args)
        monkeypatch.setattr(beam_pipeline, "run_pipeline", run_pipeline)
        run(files, tmp_path / "out", shards, expected=expected)

    monkeypatch.setattr(beam_pipeline, "run_pipeline", and_another)
    # As on a store without locks.
    monkeypatch.setattr(storage, "lock", contextlib.nullcontext)
    if shards == 2:
        assert run(files, tmp_path / "out", 2, expected=expected).num_examples == 3000
    else:
        with pytest.raises(TransientError, match="another conversion"):
            run(files, tmp_path / "out", 2, expected=expected)
    assert len(read_dataset(str(tmp_path / "out")).shards) == shards
    images, _ = read_back(tmp_path / "out")
    np.testing.assert_array_equal(images, IMAGES)


def test_another_split_in_the_folder_is_not_replaced(files, tmp_path):
    run(files, tmp_path, 2)
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="folder holds a different split"):
        run(files, tmp_path, 2, split="test")
    assert tree(tmp_path) == before


def test_trust_1_shards_of_somebody_else_are_left_alone(files, tmp_path):
    names = [
        "mnist-train.tfrecord-00000-of-00001",
        "letters-train.tfrecord-00000-of-00001",
        "validation/letters-train.tfrecord-00000-of-00001",
    ]
    for name in names:
        storage.write(str(tmp_path / name), b"mine")
    run(files, tmp_path, 2)
    run(files, tmp_path, 3)
    (tmp_path / "bad").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(DataError):
        run({**files, "train_images": str(tmp_path / "bad")}, tmp_path, 4)
    assert [(tmp_path / name).read_bytes() for name in names] == [b"mine"] * 3
    assert len(list(tmp_path.glob("*-of-00003"))) == 3


def test_the_same_data_under_another_name_replaces_it(files, tmp_path):
    sources = run(files, tmp_path, 3, config={"dataset_name": "before"}).sources
    expected = sources["images"], sources["labels"]
    assert run(files, tmp_path, 2, expected=expected).dataset_name == "mnist"
    left = [name for name in os.listdir(tmp_path) if "tfrecord" in name]
    assert sorted(left) == [f"mnist-train.tfrecord-0000{n}-of-00002" for n in range(2)]


def test_trust_1_another_data_set_in_the_folder_is_not_replaced(files, tmp_path):
    run(files, tmp_path, 2, config={"dataset_name": "letters"})
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="folder holds a different data set"):
        run(files, tmp_path, 2)
    wide = write_idx(tmp_path.parent / "wide", np.zeros((3000, 28, 30), np.uint8))
    with pytest.raises(UsageError, match="folder holds a different shape of images"):
        shaped = {**files, "train_images": wide}
        any_shape = LayoutConfig(image_shape="auto")
        run(shaped, tmp_path, 2, config={"dataset_name": "letters"}, layout=any_shape)
    assert tree(tmp_path) == before


def test_trust_1_another_split_in_the_folder_validation_is_left_alone(files, tmp_path):
    run(files, tmp_path / "validation", 2, split="test")
    before = tree(tmp_path / "validation")
    run(files, tmp_path, 2)
    assert tree(tmp_path / "validation") == before
    with pytest.raises(UsageError, match="folder holds a different split"):
        run(files, tmp_path, 2, config={"validation_fraction": 0.1, "shuffle_seed": 1})
    assert tree(tmp_path / "validation") == before
    assert read_dataset(str(tmp_path)).num_examples == 3000


def test_a_conversion_killed_while_it_replaces_leaves_no_litter_in_the_end(files, tmp_path):
    from idxpipe.components.convert.publish import unpublish

    run(files, tmp_path, 5)
    unpublish(str(tmp_path))
    run(files, tmp_path, 2)
    assert len(list(tmp_path.glob("*.tfrecord-*"))) == 2


def test_what_two_stopped_conversions_left_goes(files, tmp_path, monkeypatch):
    """Stopped between its manifest and its cleaning up, one leaves what was there before."""

    def stop(_, current):
        if current:
            raise KeyboardInterrupt

    run(files, tmp_path, 3)
    with monkeypatch.context() as patched:
        patched.setattr(publish, "_delete_stale", stop)
        for shards in (4, 5):
            with pytest.raises(KeyboardInterrupt):
                run(files, tmp_path, shards)
    run(files, tmp_path, 2)
    left = [name for name in os.listdir(tmp_path) if "tfrecord" in name]
    assert sorted(left) == [f"mnist-train.tfrecord-0000{n}-of-00002" for n in range(2)]
