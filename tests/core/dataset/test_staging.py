import os
from types import SimpleNamespace

import google_crc32c
import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.dataset import staging
from idxpipe.components.core.dataset.manifest import Dataset, Shard, shard_uris
from idxpipe.components.core.dataset.staging import local_copy, staged_shards
from idxpipe.components.core.errors import DataError, SetupError

CONTENT = {"0.tfrecord": b"one" * 100, "1.tfrecord": b"two" * 50}


def dataset_in(folder):
    for name, data in CONTENT.items():
        storage.write(f"{folder}/{name}", data)
    shards = tuple(Shard(n, 1, len(d), google_crc32c.value(d)) for n, d in CONTENT.items())
    dataset = Dataset("train", (1, 1), "uint8", 2, (1, 1), shards, {}, "test")
    return shard_uris(folder, dataset), dataset


@pytest.mark.parametrize("store", ["one_gcs", "s3"])
def test_remote_shards_are_copied_in_order_and_go_again(store, request):
    uris, dataset = dataset_in(request.getfixturevalue(store))
    with staged_shards(uris, dataset, 1 << 20) as paths:
        assert [storage.read(path) for path in paths] == list(CONTENT.values())
        assert all(storage.is_local(path) for path in paths)
    assert not any(os.path.exists(path) for path in paths)


def test_large_ones_are_streamed_where_tensorflow_can(one_gcs, s3):
    uris, dataset = dataset_in(one_gcs)
    with staged_shards(uris, dataset, 449) as paths:
        assert paths == uris
    with staged_shards(uris, dataset, 450) as paths:
        assert paths != uris
    uris, dataset = dataset_in(s3)
    with staged_shards(uris, dataset, 0) as paths:
        assert all(storage.is_local(path) for path in paths)


def test_local_shards_are_read_where_they_are(tmp_path):
    uris, dataset = dataset_in(f"file://{tmp_path}")
    with staged_shards(uris, dataset, 0) as paths:
        assert paths == [f"{tmp_path}/0.tfrecord", f"{tmp_path}/1.tfrecord"]


def test_a_copy_that_is_not_what_the_manifest_says_is_refused(one_gcs):
    uris, dataset = dataset_in(one_gcs)
    storage.write(uris[1], b"owt" * 50)
    with (
        pytest.raises(DataError, match="not what the manifest says") as caught,
        staged_shards(uris, dataset, 1 << 20),
    ):
        pass
    assert caught.value.where == uris[1]


def test_a_disk_that_is_too_small_is_said_before_anything_is_copied(one_gcs, monkeypatch):
    uris, dataset = dataset_in(one_gcs)
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(SetupError, match="do not fit"), staged_shards(uris, dataset, 1 << 20):
        pass


def test_a_folder_is_copied_only_if_it_is_remote(one_gcs, tmp_path):
    dataset_in(one_gcs)
    with local_copy(one_gcs) as path:
        assert storage.list_files(path) == {name: len(data) for name, data in CONTENT.items()}
    assert not os.path.exists(path)
    first, *others = sorted(CONTENT)
    with local_copy(one_gcs, [first]) as path:
        assert sorted(storage.list_files(path)) == others
    with local_copy(f"file://{tmp_path}") as path:
        assert path == str(tmp_path)
