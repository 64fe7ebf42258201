"""Runs of a bucket: what has ended is read once, what is new or still runs again."""

import json
import os
from dataclasses import replace

import pytest

from idxpipe.components.core import storage
from idxpipe.pipeline.runs import kept, listing
from idxpipe.pipeline.state import Ledger, RunRecord, Status, find, parse


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "idxpipe" / "runs"


def record(root, number, status=Status.SUCCEEDED):
    made = RunRecord(f"2026010{number}-000000000-abcd", root, "p", "d", {"n": number})
    with Ledger(made, {"pipeline.yaml": b""}) as ledger:
        if status is not Status.RUNNING:
            return ledger.close(status, 1.0)
    return ledger.record


@pytest.fixture
def reads(monkeypatch):
    found = []

    def read(uri, *more):
        found.append(uri)
        return before(uri, *more)

    before = storage.read_document
    monkeypatch.setattr(storage, "read_document", read)
    return lambda: [uri for uri in found if uri.startswith("gs://")]


def test_what_has_ended_is_read_once(one_gcs, reads):
    ended, running = record(one_gcs, 1), record(one_gcs, 2, Status.RUNNING)
    first = listing.rows(one_gcs)
    assert [row.run_id for row in first] == [running.run_id, ended.run_id]
    assert len(reads()) == 2
    again = listing.rows(one_gcs)
    assert again == first
    assert [uri.split("/")[-2] for uri in reads()[2:]] == [running.run_id]
    new = record(one_gcs, 3)
    assert next(row.run_id for row in listing.rows(one_gcs)) == new.run_id
    storage.delete(ended.folder)
    assert ended.run_id not in [row.run_id for row in listing.rows(one_gcs)]


def test_a_run_that_only_begins_is_not_the_latest(one_gcs):
    ended = record(one_gcs, 1)
    storage.write(f"{one_gcs}/runs/20260102-000000000-abcd/pipeline.yaml", b"")
    assert find(one_gcs).run_id == ended.run_id
    assert [row.run_id for row in listing.rows(one_gcs)] == [ended.run_id]


@pytest.mark.parametrize("damage", ["", "[]", '{"version": 1}', "[" * 100_000, None])
def test_a_damaged_file_is_as_none(cache, damage):
    made = RunRecord("r", "gs://b/root", "p", "d", {}, status=Status.SUCCEEDED)
    kept.keep(
        "gs://b/root",
        [made.to_json(), replace(made, run_id="s", status=Status.RUNNING).to_json()],
    )
    (file,) = cache.iterdir()
    found = kept.read_kept("gs://b/root")
    assert {name: parse(value, "gs://b/root") for name, value in found.items()} == {"r": made}
    assert kept.read_kept("gs://b/other") == {}
    if damage is None:
        value = json.loads(file.read_text())
        value["records"][0]["schema_version"] = 99
        damage = json.dumps(value)
    file.write_text(damage)
    assert kept.read_kept("gs://b/root") == {}


def test_no_place_to_keep_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    kept.keep("gs://b/root", [RunRecord("r", "gs://b/root", "p", "d", {}).to_json()])
    assert kept.read_kept("gs://b/root") == {}
    assert os.listdir(tmp_path) == ["file"]
