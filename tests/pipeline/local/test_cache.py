import contextlib
import json
import pathlib
import shutil

import pytest

from idxpipe.pipeline.local import cache, runner
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import statuses

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


def test_new_bytes_at_an_old_path(run, data):
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


@pytest.mark.parametrize("damage", ["deleted", "truncated", "record"])
def test_damaged_artifacts_are_made_again(run, damage):
    model = artifact(run(), "train", "model")
    if damage == "deleted":
        shutil.rmtree(model)
    elif damage == "truncated":
        (model / "model").write_text("")
    else:
        (model.parent / "task.json").write_text("{")
    record = run()
    assert "train" in ran(record)
    assert "copy-train" not in ran(record)
    assert (model / "model").read_text() == "FIRST\n"
    aside = list(model.parent.parent.glob("*-aside/model/model"))
    assert [path.read_text() for path in aside] == ([""] if damage == "truncated" else [])


@pytest.mark.parametrize(
    "name", [".DS_Store", "._model", ".nfs00000000002a", ".ipynb_checkpoints/a", "notes.txt"]
)
def test_a_file_of_somebody_else_is_left_alone_and_does_not_count(run, name):
    model = artifact(run(), "train", "model")
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("mine")
    assert "train" not in ran(run())
    (model / "model").unlink()
    assert "train" in ran(run())
    assert (model / name).read_text() == "mine"
    assert (model / "model").read_text() == "FIRST\n"


def test_a_missing_output_is_made_again_from_what_is_there(run):
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


def test_entry_of_another_version_is_no_entry(tmp_path):
    (tmp_path / "task.json").write_text(json.dumps({"version": 99}))
    assert cache.find(str(tmp_path)) is None
    assert cache.find(str(tmp_path / "none")) is None
