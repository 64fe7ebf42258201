"""What is recorded of a finished task's files, and what is found to differ from it."""

import json

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset, Shard
from idxpipe.components.core.integrity.digest import digest_files
from idxpipe.components.core.transfer import upload
from idxpipe.pipeline.local import checksums
from idxpipe.pipeline.local.checksums import checksum, damaged, to_record
from idxpipe.pipeline.spec.artifact import Artifact
from tests.datasets import write_card
from tests.resealed import edit

SHARDS = ("shard", "validation/shard")


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "dataset"
    for place in (folder, folder / "validation"):
        place.mkdir()
        (place / "shard").write_bytes(b"12345678")
        shard = Shard("shard", 1, 8, checksum(str(place / "shard")))
        manifest = Dataset("train", (2, 2), "uint8", 1, (1,), (shard,), {}, "1").dumps()
        (place / "dataset.json").write_bytes(manifest)
        (place / "features.json").write_bytes(b"{}")
    return folder


def artifact(folder, name="dataset"):
    return Artifact(name, str(folder), {})


def flip(file):
    data = file.read_bytes()
    file.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def find(folder, recorded, *, verify, name="dataset"):
    made = artifact(folder, name)
    return damaged(name, made, made.inventory(), recorded, verify=verify)


def test_shards_are_looked_at_only_on_demand(dataset):
    made = artifact(dataset)
    recorded = to_record(made, made.inventory())
    assert not recorded.keys() & set(SHARDS)
    assert len(recorded) == 4
    assert find(dataset, recorded, verify=True) == []
    for name in SHARDS:
        flip(dataset / name)
    assert find(dataset, recorded, verify=False) == []
    assert sorted(find(dataset, recorded, verify=True)) == sorted(SHARDS)


@pytest.mark.parametrize("name", ["dataset.json", "validation/features.json"])
def test_what_nobody_vouches_for_is_looked_at_always(dataset, name):
    made = artifact(dataset)
    recorded = to_record(made, made.inventory())
    flip(dataset / name)
    for verify in (False, True):
        assert find(dataset, recorded, verify=verify) == [name]


def test_checkpoints_are_looked_at_only_on_demand(dataset):
    made = artifact(dataset, "checkpoints")
    recorded = to_record(made, made.inventory())
    flip(dataset / "dataset.json")
    assert find(dataset, recorded, verify=False, name="checkpoints") == []
    assert find(dataset, recorded, verify=True, name="checkpoints") == ["dataset.json"]


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    write_card(tmp_path / "model")
    files = {n: one.to_json() for n, one in digest_files(str(tmp_path / "model")).items()}
    change = {"schema_version": 2, "digests": files}
    edit(tmp_path / "model" / "model.json", lambda card: card.update(change))
    return tmp_path / "model"


def test_a_models_card_vouches_for_what_was_too_large_to_record(model, monkeypatch):
    made = artifact(model)
    monkeypatch.setattr(checksums, "READ_BYTES", 100)
    monkeypatch.setattr(checksums, "_BLOCK", 4)
    assert to_record(made, made.inventory()) == {}
    flip(model / "saved_model.pb")
    assert find(model, {}, verify=False) == []
    assert find(model, {}, verify=True) == ["saved_model.pb"]


def test_a_file_alone_is_looked_at(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({}))
    made = artifact(tmp_path / "metrics.json")
    recorded = to_record(made, made.inventory())
    assert list(recorded) == [""]
    flip(tmp_path / "metrics.json")
    assert damaged("metrics", made, made.inventory(), recorded, verify=False) == [""]


def test_a_bucket_is_asked_and_nothing_is_fetched(dataset, one_gcs, monkeypatch):
    upload(str(dataset), one_gcs, storage.list_files(str(dataset)))
    made = artifact(one_gcs)
    files = made.inventory()
    open_read = storage.open_read

    def manifest_alone(uri, *more):
        assert uri.endswith("/dataset.json")
        return open_read(uri, *more)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "open_read", manifest_alone)
        recorded = to_record(made, files)
        assert len(recorded) == 4
        assert damaged("dataset", made, files, recorded, verify=True) == []
        storage.write(f"{one_gcs}/shard", b"12345679")
        storage.write(f"{one_gcs}/features.json", b"[]")
        assert damaged("dataset", made, files, recorded, verify=False) == ["features.json"]
        found = damaged("dataset", made, files, recorded, verify=True)
        assert sorted(found) == ["features.json", "shard"]


def test_where_a_store_knows_no_checksum_only_verifying_reads(dataset, s3):
    upload(str(dataset), s3, storage.list_files(str(dataset)))
    made = artifact(s3)
    assert to_record(made, made.inventory()) == {}
    assert damaged("dataset", made, made.inventory(), {}, verify=True) == []
    storage.write(f"{s3}/shard", b"12345679")
    assert damaged("dataset", made, made.inventory(), {}, verify=False) == []
    assert damaged("dataset", made, made.inventory(), {}, verify=True) == ["shard"]
