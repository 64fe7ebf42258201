"""What a plan says is what the run does: every reason is provoked, planned and then run."""

import json
import shutil
from pathlib import Path

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline import launch
from idxpipe.pipeline.catalogue import shown
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.local import cache, code, identity
from idxpipe.pipeline.progress import phrase
from idxpipe.pipeline.rerun import Rerun, until
from idxpipe.pipeline.runs.plan import plan
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.parse import load, parse
from tests.pipeline import toy


@pytest.fixture
def planned(data, root, pipeline):
    """Return the steps of a run that `run` would make, by stage."""

    def planned(steps=10, what=pipeline, *, cache=True, force=frozenset()):
        values = {"data": str(data), "steps": steps}
        found = plan(what, values, str(root), cached=cache, force=force)
        return {step.title: step for step in found}

    return planned


def container(change):
    """Return the toy pipeline with the container of its train stage changed."""
    document = toy.toy()
    change(document["deploymentSpec"]["executors"]["exec-train"]["container"])
    return parse(toy.text(document))


def delete_model(record):
    shutil.rmtree(record.tasks["train"].outputs.artifacts["model"].uri)


def delete_folder(record):
    shutil.rmtree(record.tasks["train"].folder)


def forget_task(record):
    (Path(record.tasks["train"].folder) / "task.json").unlink()


def damage_model(record):
    file = Path(record.tasks["train"].outputs.artifacts["model"].uri, "model")
    file.write_text(file.read_text().replace("FIRST", "FIRSE"))


def damage_record(record):
    file = Path(record.tasks["train"].folder) / "task.json"
    file.write_text(file.read_text().replace("system.Model", "system.Modem"))


@pytest.mark.parametrize(
    ("before", "options", "reason"),
    [
        (None, {"steps": 11}, "steps 10 -> 11"),
        (None, {"what": lambda: container(lambda c: c.update(image="b"))}, "image toy -> b"),
        (
            None,
            {"what": lambda: container(lambda c: c["env"].append({"name": "A", "value": "1"}))},
            "environment variable A is new",
        ),
        (
            None,
            {"what": lambda: container(lambda c: c["args"].append("x"))},
            "its component changed",
        ),
        (None, {"force": frozenset({"train"})}, "forced"),
        (None, {"cache": False}, "the cache is off"),
        (delete_model, {}, "its artifact is gone: model"),
        (damage_model, {}, "its artifact is damaged: model/model"),
        (damage_record, {}, "its record is damaged"),
        (delete_folder, {}, "its result is gone"),
        (forget_task, {}, "was not finished in run RUN"),
    ],
)
def test_every_reason_is_planned_and_then_run(run, planned, before, options, reason):
    first = run()
    if before:
        before(first)
    options = {n: v() if callable(v) else v for n, v in options.items()}
    expected = (reason.replace("RUN", first.run_id),)
    assert planned(**options)["train"].reasons == expected
    record = run(**options)
    assert record.tasks["train"].reasons == expected
    assert record.tasks["train"].status == "succeeded"


def test_what_is_new_runs_for_the_first_time(run, planned):
    assert {s.reasons for n, s in planned().items() if n != "look"} == {("first time",)}
    record = run()
    assert record.tasks["judge"].reasons == ("first time",)
    assert planned()["look"].always
    assert not planned()["look"].runs


def test_what_depends_on_a_stage_that_runs(run, planned, data):
    run()
    steps = planned(steps=11)
    # The toy's look may find anything; ours is foreseen.
    assert steps["copy-train"].unless == ("look",)
    assert steps["judge"].unless == ("copy-test", "train")
    # The same model comes of it, and the run says so.
    assert run(steps=11).tasks["judge"].status == "cached"
    (data / "a").write_text("other\n")
    record = run(steps=11)
    (reason,) = record.tasks["copy-train"].reasons
    assert reason.startswith("fingerprint ")
    assert record.tasks["train"].reasons == ("dataset changed",)


def test_a_version_and_a_source_file_are_named(monkeypatch, tmp_path):
    task = load("pipeline.yaml").tasks["train"]
    values = Values({"learning_rate": -1.0, "batch_size": 128})

    def parts():
        return identity.parts_of(task, task.executor, values)

    before = parts()
    monkeypatch.setattr(code, "_version", lambda name: "9.9" if name == "keras" else "1")
    changed = identity.differences({**before, "versions": parts()["versions"]}, before)
    assert any(text.startswith("keras 9.9 -> ") for text in changed)
    other = {**before["code"], "components/train/step.py": "0", "components/gone.py": "1"}
    del other["components/train/run.py"]
    assert identity.differences({**before, "code": other}, before) == [
        "components/gone.py is gone",
        "components/train/run.py is new",
        "components/train/step.py changed",
    ]


def test_data_are_named_before_many_source_files(tmp_path):
    """Of many reasons, a line shows the first three."""
    task = load("pipeline.yaml").tasks["evaluate"]
    (tmp_path / "file").write_text("rows")
    made = Artifact("dataset", str(tmp_path), {"schemaTitle": "system.Dataset"})
    before = identity.parts_of(task, task.executor, Values({}, {"dataset": made}))
    now = {
        **before,
        "code": dict.fromkeys(before["code"], "another"),
        "inputs": {"dataset": {**before["inputs"]["dataset"], "digest": "another"}},
    }
    first, *rest = identity.differences(before, now)
    assert first == "dataset changed"
    assert len(rest) == len(before["code"]) > 3
    assert phrase([first, *rest]).endswith(f"; and {len(rest) - 2} more")


def test_what_a_recipe_sets_is_no_number():
    assert shown("learning_rate", -1.0) == "the recipe's"
    assert shown("train_steps", -1, recipe="seed") == "1000 (seed)"
    assert shown("learning_rate", 0.1) == "0.1"
    assert shown("steps", None) == "none"


def test_trust_3_a_baseline_is_told_by_its_content(tmp_path):
    task = load("pipeline.yaml").tasks["gate"]
    baseline = tmp_path / "metrics.json"

    def key():
        parts = identity.parts_of(task, task.executor, Values({"baseline": str(baseline)}))
        return identity.key_of(parts)

    absent = key()
    baseline.write_text("{}")
    first = key()
    baseline.write_text("[]")
    assert len({absent, first, key()}) == 3


def test_where_the_data_lie_is_no_reason():
    task = load("pipeline.yaml").tasks["convert-train"]

    def key(uri, fingerprint="47040016-00000000"):
        values = Values({"images": uri, "images_fingerprint": fingerprint})
        return identity.key_of(identity.parts_of(task, task.executor, values))

    assert key("/a/train-images") == key("gs://b/other.gz")
    assert key("/a/train-images") != key("/a/train-images", "47040016-00000001")


def test_yesterdays_result_is_accepted_for_todays_code(run, planned, root):
    first = run()
    changed = container(lambda c: c["args"].append("x"))
    old = first.tasks["train"].key
    task = changed.tasks["train"]
    parts = identity.parts_of(task, task.executor, first.tasks["train"].inputs)
    cache.accept(str(root), "train", old, identity.key_of(parts), ["its component changed"])
    step = planned(what=changed)["train"]
    assert (step.cached_from, step.unless) == (None, ("copy-train",))
    record = run(what=changed)
    assert record.tasks["train"].status == "cached"
    assert record.tasks["train"].reasons == ("accepted: its component changed",)
    assert record.tasks["train"].outputs == first.tasks["train"].outputs


def test_until_and_force_narrow_a_job(pipeline, data, root):
    job = Rerun(pipeline, {"data": str(data), "steps": 10})
    smaller = launch.narrowed(job, until="train", force=["copy"])
    assert set(smaller.pipeline.tasks) == {"look", "copy-train", "train"}
    assert smaller.force == {"copy-train"}
    assert set(until(pipeline, "copy").tasks) == {"look", "copy-train", "copy-test"}
    with pytest.raises(UsageError, match="no such stage") as caught:
        launch.narrowed(job, until="tain")
    assert "importer" not in str(caught.value)


def test_after_a_failure_the_others_still_run(run, monkeypatch):
    monkeypatch.setenv("BREAK", "b")
    # One at a time: the other copy has not begun when the first fails.
    stopped, went_on = run(jobs=1), run(jobs=1, keep_going=True)
    assert went_on.tasks["copy-test"].status == stopped.tasks["copy-test"].status == "failed"
    assert stopped.tasks["copy-train"].status == "pending"
    assert went_on.tasks["copy-train"].status == went_on.tasks["train"].status == "succeeded"
    assert went_on.tasks["judge"].status == "pending"
    assert went_on.status == "failed"


def test_the_command_plans_and_checks(run, root, data, tmp_path, capsys):
    path = tmp_path / "toy.yaml"
    path.write_bytes(toy.text(toy.toy()))
    run()
    given = ("run", "--root", str(root), "--pipeline", str(path), "--set", f"data={data}", "--plan")
    assert main([*given, "--set", "steps=11", "--json"]) == 0
    steps = {step["stage"]: step for step in json.loads(capsys.readouterr().out)}
    assert steps["train"]["reasons"] == ["steps 10 -> 11"]
    assert main([*given, "--set", "steps=11", "--check"]) == 4
    assert main(["run", "--check"]) == 2


@pytest.mark.parametrize("text", ["steps: 11\n", "{steps: 11}"])
def test_parameters_from_a_file(tmp_path, root, data, capsys, text):
    path, given = tmp_path / "toy.yaml", tmp_path / "given.yaml"
    path.write_bytes(toy.text(toy.toy()))
    given.write_text(text)
    words = ["run", "--root", str(root), "--pipeline", str(path), "--set", f"data={data}"]
    assert main([*words, "--params", str(given), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["steps"] == 11
    assert main([*words, "--params", str(given), "--set", "steps=12", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["steps"] == 12
    given.write_text("- steps\n")
    assert main([*words, "--params", str(given)]) == 3
    assert "no parameters in this file" in capsys.readouterr().err
