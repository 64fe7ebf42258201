import os
from pathlib import Path

import numpy as np
import pytest

from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.selection import Selection
from idxpipe.components.convert.shard import make_shard, read_receipt, receipt_uri
from idxpipe.components.convert.source import Source
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.header import Header
from tests.idxfiles import write_idx

IMAGES = np.arange(10 * 6, dtype=np.uint8).reshape(10, 2, 3)
LABELS = np.arange(10, dtype=np.uint8)


def source(uri, array):
    return Source(uri, uri, Header("uint8", array.shape), "")


@pytest.fixture
def task(tmp_path):
    return ShardTask(
        output=str(tmp_path / "out"),
        name="n-train.tfrecord-00000-of-00001",
        images=source(write_idx(tmp_path / "i", IMAGES), IMAGES),
        labels=source(write_idx(tmp_path / "l", LABELS), LABELS),
        start=2,
        stop=7,
        selection=Selection(10),
        num_classes=10,
        file_format="tfrecord",
        compression="none",
        converter="test",
    )


def test_the_receipt_describes_the_shard(task):
    receipt = make_shard(task)
    data = storage.read(f"{task.output}/{task.name}")
    assert Fingerprint().extend(data) == Fingerprint(receipt.shard.bytes, receipt.shard.crc32c)
    assert receipt.shard.examples == 5
    assert receipt.class_counts == (0, 0, 1, 1, 1, 1, 1, 0, 0, 0)
    assert receipt.images == Fingerprint().extend(IMAGES[2:7].tobytes())
    assert receipt.labels == Fingerprint().extend(LABELS[2:7].tobytes())
    assert read_receipt(task) == receipt


def written(task) -> int:
    return os.stat(f"{task.output}/{task.name}").st_ino


def test_a_finished_shard_is_not_made_again(task):
    receipt = make_shard(task)
    first = written(task)
    assert make_shard(task) == receipt
    assert written(task) == first


@pytest.mark.parametrize("damage", ["shard", "truncated", "gone", "source", "labels", "receipt"])
def test_a_damaged_shard_is_made_again(task, damage):
    good = make_shard(task)
    data = storage.read(f"{task.output}/{task.name}")
    first = written(task)
    shard = f"{task.output}/{task.name}"
    if damage == "shard":
        storage.write(shard, data[:-1] + b"\0")
    elif damage == "truncated":
        storage.write(shard, data[:-1])
    elif damage == "gone":
        storage.delete(shard)
    elif damage == "source":
        write_idx(Path(task.images.plain), IMAGES + 1)
    elif damage == "labels":
        write_idx(Path(task.labels.plain), LABELS[::-1].copy())
    else:
        storage.write(receipt_uri(task), b"{}")
    receipt = make_shard(task)
    assert storage.exists(shard)
    if damage in ("source", "labels"):
        assert receipt != good
        assert written(task) != first
    else:
        assert receipt == good
        assert storage.read(shard) == data


def test_a_label_that_changed_since_it_was_checked_is_refused(task):
    write_idx(Path(task.labels.plain), np.full(10, 99, np.uint8))
    with pytest.raises(DataError, match="label out of range"):
        make_shard(task)
    assert not storage.exists(f"{task.output}/{task.name}")


def test_a_source_that_became_shorter_is_refused(task):
    with open(task.images.plain, "r+b") as stream:
        stream.truncate(30)
    with pytest.raises(DataError, match="became shorter"):
        make_shard(task)
    assert storage.list_files(task.output) == {}
