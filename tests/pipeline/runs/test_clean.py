import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.leases import lease
from idxpipe.components.core.leases.holder import Holder
from idxpipe.pipeline import state
from idxpipe.pipeline.local import cache
from idxpipe.pipeline.runs import clean
from idxpipe.pipeline.runs.clean import Choice
from idxpipe.pipeline.state import Ledger, Status
from tests.pipeline.runs.commands import command


@pytest.fixture
def three(run, data, monkeypatch):
    """Return runs: one, one that failed on other data, and one with other parameters."""
    first = run()
    monkeypatch.setenv("BREAK", "b")
    (data / "b").write_text("other\n")
    failed = run()
    monkeypatch.delenv("BREAK")
    (data / "b").write_text("second\n")
    return first, failed, run(steps=11)


def left(root):
    return {path.name for path in (root / "runs").iterdir()}


def folders(*records):
    """Return the folders that the tasks of some runs have their results in."""
    return {task.folder for record in records for task in record.tasks.values() if task.folder}


def test_what_is_not_told_to_go_stays(three, root, capsys):
    said = command(capsys, "clean", "--root", str(root)).out
    # What the failed run left half done is used by nobody who is kept: it is kept.
    assert "nothing would go" in said
    said = command(capsys, "clean", "--failed", "--root", str(root)).out
    assert "would be freed: --yes deletes it" in said
    assert left(root) == {record.run_id for record in three}


def test_clean_never_takes_what_a_kept_run_uses(three, root, capsys):
    first, failed, last = three
    command(capsys, "clean", "--failed", "--yes", "--root", str(root))
    assert left(root) == {first.run_id, last.run_id}
    assert all(os.path.exists(folder) for folder in folders(first, last))
    assert not any(os.path.exists(folder) for folder in folders(failed) - folders(first, last))
    command(capsys, "clean", "--keep-last", "1", "--yes", "--root", str(root))
    assert left(root) == {last.run_id}
    assert all(os.path.exists(folder) for folder in folders(last))
    assert not any(os.path.exists(folder) for folder in folders(first) - folders(last))
    # All that the cache holds for the last run is still good.
    record = state.load(str(root), last.run_id)
    assert record.tasks["judge"].outputs.artifacts["report"].inventory()


def test_a_pinned_run_and_a_foreign_file_stay(three, root, capsys):
    first, _, _ = three
    command(capsys, "pin", first.run_id, "--root", str(root))
    note = root / "artifacts" / "train" / "notes" / "mine.txt"
    note.parent.mkdir()
    note.write_text("mine")
    command(capsys, "clean", "--keep-last", "0", "--yes", "--root", str(root))
    assert left(root) == {first.run_id}
    assert all(os.path.exists(folder) for folder in folders(first))
    assert note.read_text() == "mine"
    said = command(capsys, "rm", first.run_id, "--yes", "--root", str(root), code=2).err
    assert f"idxpipe unpin {first.run_id}" in said
    command(capsys, "unpin", first.run_id, "--root", str(root))
    command(capsys, "rm", first.run_id, "--yes", "--root", str(root))
    assert left(root) == set()


def test_what_a_living_run_works_on_stays(run, root):
    done = run()
    record = dataclasses.replace(done, run_id="living", status=Status.RUNNING, tasks={})
    folder = cache.folder_of(str(root), "copy-train", "0" * 20)
    storage.write(f"{folder}/half", b"")
    lock = cache.lock(f"{folder}.lock", threading.Event(), lambda _: None)
    with Ledger(record, {}), lock:
        waste = clean.waste(str(root), Choice(keep_last=0, failed=True))
        assert {one.uri for one in waste if one.kind == "run"} == {done.folder}
        assert folder not in {one.uri for one in waste}
        with pytest.raises(UsageError, match="this run is kept"):
            clean.waste(str(root), Choice(runs=["living"]))
    # Nobody holds it any more.
    assert folder in {one.uri for one in clean.waste(str(root), Choice())}
    assert "living" in {
        one.uri.rpartition("/")[2] for one in clean.waste(str(root), Choice(failed=True))
    }


def test_what_killed_work_left_behind_goes(run, root, capsys):
    record = run()
    trained = Path(record.tasks["train"].folder)
    orphan = trained.with_name(f"{'0' * 20}.lock")
    orphan.touch()
    held = trained.with_name(f"{'1' * 20}.lock")
    held.touch()
    with cache.lock(str(held), threading.Event(), lambda _: None):
        found = clean.waste(str(root), Choice())
    assert [(one.kind, one.uri) for one in found] == [("leftover", str(orphan))]
    clean.throw_away(found)
    assert not orphan.exists()
    assert Path(f"{trained}.lock").exists()


def test_what_was_staged_in_a_bucket_goes(run, root, one_gcs):
    record = run()
    for name in storage.list_files(str(root)):
        storage.put(str(root / name), f"{one_gcs}/root/{name}")
    left = f"{record.tasks['train'].folder}/model/_staging/beam".replace(str(root), "")
    storage.write(f"{one_gcs}/root{left}/workflow.tar.gz", b"12345")
    assert clean.waste(str(root), Choice()) == []
    (found,) = clean.waste(f"{one_gcs}/root", Choice())
    assert (found.kind, found.size) == ("leftover", 5)
    assert found.uri.endswith("/model/_staging")
    clean.throw_away([found])
    assert clean.waste(f"{one_gcs}/root", Choice()) == []


def test_in_a_bucket_a_lease_keeps_what_is_worked_on_until_nobody_renews_it(one_gcs):
    root = f"{one_gcs}/root"
    folder = cache.folder_of(root, "train", "0" * 20)
    storage.write(f"{folder}/half", b"1234")
    foreign = f"{root}/artifacts/train/mine.lease"
    storage.write(foreign, b"of a flat")
    with lease.hold(folder):
        assert clean.waste(root, Choice()) == []
    with lease.hold(f"{folder}/model"):
        # The stage outlived its runner.
        assert clean.waste(root, Choice()) == []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = dataclasses.replace(Holder.here(), pid=ended.pid).dumps()
    storage.write(f"{folder}.lease", gone)
    found = clean.waste(root, Choice())
    assert [(one.kind, one.uri) for one in found] == [
        ("artifact", folder),
        ("leftover", f"{folder}.lease"),
    ]
    # Taken again since it was looked at.
    storage.write(f"{folder}.lease", Holder.here().dumps())
    clean.throw_away(found[1:])
    assert storage.exists(f"{folder}.lease")
    storage.write(f"{folder}.lease", gone)
    clean.throw_away(found)
    assert list(storage.list_files(root)) == ["artifacts/train/mine.lease"]


def test_age(run, root):
    record = run()
    assert clean.parse_age("30d").days == 30
    with pytest.raises(UsageError, match="invalid value"):
        clean.parse_age("a month")
    assert clean.waste(str(root), Choice(older_than=clean.parse_age("1d"))) == []
    waste = clean.waste(str(root), Choice(older_than=clean.parse_age("0m")))
    assert [one.uri for one in waste if one.kind == "run"] == [record.folder]


def test_a_damaged_record_stops_the_cleaning(run, root, capsys):
    record = run()
    Path(record.folder, "run.json").write_text("{")
    assert (
        "damaged" in command(capsys, "clean", "--keep-last", "0", "--root", str(root), code=3).err
    )
