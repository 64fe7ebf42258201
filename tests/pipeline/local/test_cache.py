import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
import threading

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset, Shard
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.pipeline.local import cache, runner
from idxpipe.pipeline.local.identity import VERSION
from idxpipe.pipeline.local.process import Stopped
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import statuses
from tests.resealed import resealed

LATER = ("copy-train", "copy-test", "train", "judge")


def ran(record):
    """Return the stages that did not come from the cache."""
    return {name for name, status in statuses(record).items() if status != "cached"}


def artifact(record, task, name):
    return pathlib.Path(record.tasks[task].outputs.artifacts[name].uri)


def test_nothing_changed(run):
    first = run()
    second = run()
    assert ran(second) == {"look"}
    assert second.tasks["judge"].cached_from == first.run_id
    assert second.tasks["judge"].outputs == first.tasks["judge"].outputs
    assert second.tasks["look"].folder != first.tasks["look"].folder


def test_trust_3_new_bytes_at_an_old_path(run, data):
    run()
    (data / "b").write_text("changed\n")
    record = run()
    assert ran(record) == {"look", "copy-test", "judge"}
    (data / "b").write_text("second\n")
    assert ran(run()) == {"look"}


def test_parameter_changed(run):
    run()
    # The model is the same again, wherever it lies: it is not judged again.
    assert ran(run(steps=11)) == {"look", "train"}


def test_another_pipeline_with_the_same_stages(run):
    run()
    document = toy.toy()
    document["pipelineInfo"]["name"] = "other"
    assert ran(run(what=parse(toy.text(document)))) == {"look"}


@pytest.mark.parametrize("damage", ["deleted", "truncated", "flipped", "record", "letter"])
def test_damaged_artifacts_are_made_again(run, damage):
    model = artifact(run(), "train", "model")
    if damage == "deleted":
        shutil.rmtree(model)
    elif damage == "truncated":
        (model / "model").write_text("")
    elif damage == "flipped":
        (model / "model").write_text("FIRSE\n")
    elif damage == "letter":
        record = model.parent / "task.json"
        record.write_text(record.read_text().replace('"uri": "', '"url": "', 1))
    else:
        (model.parent / "task.json").write_text("{")
    record = run()
    assert "train" in ran(record)
    assert "copy-train" not in ran(record)
    assert (model / "model").read_text() == "FIRST\n"
    aside = list(model.parent.parent.glob("*-aside/model/model"))
    changed = {"truncated": [""], "flipped": ["FIRSE\n"]}
    assert [path.read_text() for path in aside] == changed.get(damage, [])


@pytest.mark.parametrize(
    "name", [".DS_Store", "._model", ".nfs00000000002a", ".ipynb_checkpoints/a", "notes.txt"]
)
def test_trust_1_a_file_of_somebody_else_is_left_alone_and_does_not_count(run, name):
    model = artifact(run(), "train", "model")
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("mine")
    assert "train" not in ran(run())
    (model / "model").unlink()
    assert "train" in ran(run())
    assert (model / name).read_text() == "mine"
    assert (model / "model").read_text() == "FIRST\n"


def test_trust_1_a_missing_output_is_made_again_from_what_is_there(run):
    """As a deleted model is from the checkpoints, without a step of training."""
    model = artifact(run(), "train", "model")
    left = model.parent / "checkpoint"
    left.write_text("of hours of work")
    shutil.rmtree(model)
    record = run()
    assert record.tasks["train"].folder == str(model.parent)
    assert left.read_text() == "of hours of work"


def test_a_root_that_was_moved_or_copied_keeps_its_results(run, root, tmp_path, pipeline, data):
    run()
    moved = tmp_path / "moved"
    shutil.move(root, moved)
    values = {"data": str(data), "steps": 10}
    record = runner.run(pipeline, values, str(moved))
    assert ran(record) == {"look"}
    assert str(artifact(record, "train", "model")).startswith(str(moved))
    copied = tmp_path / "copied"
    shutil.copytree(moved, copied)
    shutil.rmtree(moved)
    record = runner.run(pipeline, values, str(copied))
    assert ran(record) == {"look"}
    assert artifact(record, "train", "model").exists()


def test_event_files_that_come_later_do_no_harm(run):
    model = artifact(run(), "train", "model")
    (model / "events.out.tfevents.1.host.2.3").write_bytes(b"x")
    assert ran(run()) == {"look"}


def test_without_a_lock_a_damaged_folder_is_left_alone(run, root, monkeypatch):
    model = artifact(run(), "train", "model")
    (model / "model").unlink()
    (model.parent / "half").write_bytes(b"x")
    monkeypatch.setattr(cache, "lock", lambda *_: contextlib.nullcontext())
    record = run()
    assert ran(record) == {"look", "train"}
    assert (model.parent / "half").exists()
    assert artifact(record, "train", "model") != model
    # And not for ever: the new result stands for the old one.
    later = run()
    assert ran(later) == {"look"}
    assert later.tasks["train"].cached_from == record.run_id
    assert artifact(later, "train", "model") == artifact(record, "train", "model")


def test_no_cache_runs_everything_in_fresh_folders(run):
    first, second = run(), run(cache=False)
    assert ran(second) == {"look", *LATER}
    for name in LATER:
        assert first.tasks[name].folder != second.tasks[name].folder
    assert ran(run()) == {"look"}


def test_forced_stage_runs_again_in_a_fresh_folder(run):
    first, second = run(), run(force=frozenset({"train"}))
    assert ran(second) == {"look", "train"}
    assert second.tasks["train"].folder == f"{first.tasks['train'].folder}-{second.run_id}"


def test_forced_stage_that_is_incomplete_goes_on(run, monkeypatch):
    monkeypatch.setenv("BREAK", "train")
    first = run()
    monkeypatch.delenv("BREAK")
    second = run(force=frozenset({"train"}))
    assert second.tasks["train"].folder == first.tasks["train"].folder


@pytest.mark.parametrize("part", ["image", "args", "env"])
def test_executor_counts(run, part):
    run()
    document = toy.toy()
    container = document["deploymentSpec"]["executors"]["exec-train"]["container"]
    container[part] = {
        "image": "other",
        "args": [*container["args"], "more"],
        "env": [{"name": "A", "value": "1"}],
    }[part]
    # The model is the same again, so it is not judged again.
    assert ran(run(what=parse(toy.text(document)))) == {"look", "train"}


def test_results_of_earlier_versions_have_no_checksums(run):
    record = pathlib.Path(run().tasks["train"].folder) / "task.json"
    older = json.loads(record.read_text())
    for name in ("crc32c", "schema_version", "checksums"):
        del older[name]
    record.write_text(json.dumps(older, indent=1))
    assert ran(run()) == {"look"}


def test_trust_3_what_hides_from_a_plain_run_is_found_by_one_that_verifies(
    run, data, pipeline, root
):
    """A shard is vouched for by its dataset's manifest, and read against it: no run hashes it."""
    first = run()
    dataset = artifact(first, "copy-train", "dataset")
    shard = dataset / "content"
    found = Fingerprint().extend(shard.read_bytes())
    listed = Shard("content", 1, found.size, found.crc32c)
    manifest = Dataset("train", (2, 1), "uint8", 1, (1,), (listed,), {}, "1").dumps()
    (dataset / "dataset.json").write_bytes(manifest)
    entry = cache.look(str(dataset.parent)).entry
    place = cache.Claim(str(dataset.parent), cache.Look())
    cache.publish(place, first.run_id, entry.outputs, cache.read_record(place.folder)["parts"])
    shard.write_text("firsd\n")
    assert cache.look(place.folder).entry
    assert cache.look(place.folder, verify=True).damaged == ("dataset/content",)
    record = run(verify=True)
    assert record.tasks["copy-train"].reasons == ("its artifact is damaged: dataset/content",)
    assert shard.read_text() == "first\n"


def test_entry_of_another_version_is_no_entry(tmp_path):
    (tmp_path / "task.json").write_text(json.dumps({"version": 99}))
    assert cache.find(str(tmp_path)) is None
    (tmp_path / "task.json").write_bytes(resealed({"schema_version": 99, "version": VERSION}))
    assert cache.find(str(tmp_path)) is None
    assert not cache.look(str(tmp_path)).damaged
    assert cache.find(str(tmp_path / "none")) is None


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with cache.lock(str(tmp_path / "KEY.lock"), threading.Event(), pytest.fail) as held:
        assert held is None
    assert "KEY.lock cannot be locked: No locks available" in capsys.readouterr().err


def test_trust_2_a_run_goes_on_where_there_are_no_locks(run, root, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert run().status == "succeeded"


def test_a_cancelled_run_waits_no_longer_for_a_lease(one_gcs):
    stopped = threading.Event()
    said = []

    def waiting(text):
        said.append(text)
        stopped.set()

    folder = cache.folder_of(one_gcs, "train", "0" * 20)
    with (
        cache.lock(f"{folder}.lock", threading.Event(), said.append, "first"),
        pytest.raises(Stopped),
        cache.lock(f"{folder}.lock", stopped, waiting, "second"),
    ):
        pass
    (text,) = said
    assert text.startswith("waits for another run to do the same: process ")
    assert "run first, " in text
    assert storage.list_files(one_gcs) == {}
