import dataclasses

import numpy as np
import pytest

from idxpipe.components.convert import rows
from idxpipe.components.convert.permutation import source_indices
from idxpipe.components.convert.selection import Selection
from idxpipe.components.convert.source import Source
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.header import Header
from tests.convert.test_shard import IMAGES, LABELS, task
from tests.idxfiles import idx_bytes

__all__ = ["task"]


def source(uri, array):
    header = Header("uint8", array.shape)
    return Source(uri, uri, header, str(Fingerprint().extend(idx_bytes(array))))


def read(task):
    # Copies: a chunk is valid until the next one is read.
    chunks = [(bytes(chunk.images), bytes(chunk.labels)) for chunk in rows.read_chunks(task)]
    images, labels = (np.frombuffer(b"".join(part), np.uint8) for part in zip(*chunks, strict=True))
    return images.reshape(-1, *IMAGES.shape[1:]), labels


def test_a_range_of_the_file(task, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK_ROWS", 2)
    images, labels = read(task)
    np.testing.assert_array_equal(images, IMAGES[2:7])
    np.testing.assert_array_equal(labels, LABELS[2:7])


def test_scattered_records(task):
    images, labels = read(dataclasses.replace(task, selection=Selection(10, shuffle_seed=4)))
    order = source_indices(np.arange(2, 7), 10, 4)
    np.testing.assert_array_equal(images, IMAGES[order])
    np.testing.assert_array_equal(labels, LABELS[order])


def test_scattered_records_of_a_remote_file_come_from_one_copy(task, one_gcs, monkeypatch):
    from idxpipe.components.core import storage

    remote = dataclasses.replace(
        task,
        images=source(f"{one_gcs}/i", IMAGES),
        labels=source(f"{one_gcs}/l", LABELS),
        selection=Selection(10, shuffle_seed=4),
    )
    storage.write(remote.images.plain, idx_bytes(IMAGES))
    storage.write(remote.labels.plain, idx_bytes(LABELS))
    first = read(remote)
    storage.delete(remote.images.plain)
    for mine, other in zip(first, read(remote), strict=True):
        np.testing.assert_array_equal(mine, other)
    labels = dataclasses.replace(remote.labels, expected="18-00000000")
    changed = dataclasses.replace(remote, labels=labels)
    with pytest.raises(DataError, match="changed since it was validated"):
        read(changed)


@pytest.mark.parametrize("seed", [-1, 4])
def test_a_file_that_became_shorter(task, seed):
    with open(task.images.plain, "r+b") as stream:
        stream.truncate(20)
    with pytest.raises(DataError, match="became shorter"):
        read(dataclasses.replace(task, selection=Selection(10, shuffle_seed=seed)))
