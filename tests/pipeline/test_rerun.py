import dataclasses
import pathlib
import re
import shutil

import pytest
import yaml

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline import failure, launch, rerun, state
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Constant, Importer
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import statuses


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run of the toy, which the tests here do not change."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "a").write_text("first\n")
    (folder / "b").write_text("second\n")
    whole = parse(toy.text(toy.toy()))
    return whole, runner.run(whole, {"data": str(folder)}, str(folder / "root"))


def cut(finished, *kept):
    whole, record = finished
    return rerun.cut(whole, record, frozenset(kept))


def test_artifacts_become_importers(finished):
    smaller = cut(finished, "train", "judge")
    importers = {
        name: task.executor
        for name, task in smaller.tasks.items()
        if isinstance(task.executor, Importer)
    }
    assert set(importers) == {"importer-copy-train-dataset", "importer-copy-test-dataset"}
    made = finished[1].tasks["copy-train"].outputs.artifacts["dataset"]
    taken = importers["importer-copy-train-dataset"]
    assert (taken.uri, taken.type, taken.metadata) == (made.uri, made.type, made.metadata)
    assert smaller.tasks["train"].upstream == {"importer-copy-train-dataset"}
    assert smaller.parameters == finished[0].parameters
    assert smaller.name == "toy"


def test_values_become_constants(finished):
    smaller = cut(finished, "copy-test")
    value = finished[1].tasks["look"].outputs.parameters["fingerprint_b"]
    assert smaller.tasks["copy-test"].parameters["fingerprint"] == Constant(value)
    assert smaller.tasks["copy-test"].upstream == frozenset()
    assert set(smaller.document["components"]) == {"comp-copy-test"}
    assert set(smaller.document["deploymentSpec"]["executors"]) == {"exec-copy-test"}


def test_nothing_cut_is_the_same_pipeline(finished):
    assert cut(finished, *finished[0].tasks).document == finished[0].document


def test_the_whole_pipeline_is_left_alone(finished):
    before = yaml.safe_dump(finished[0].document)
    cut(finished, "judge")
    assert yaml.safe_dump(finished[0].document) == before


def test_where_an_artifact_is_gone_the_stage_that_made_it_is_what_goes_on(finished, tmp_path):
    root = shutil.copytree(pathlib.Path(finished[1].root).parent, tmp_path / "copy") / "root"
    record = runner.run(finished[0], {"data": str(root.parent)}, str(root))
    for name in ("copy-train", "copy-test"):
        shutil.rmtree(record.tasks[name].outputs.artifacts["dataset"].uri)
    again = rerun.rerun(str(root), record.run_id, stages_from="train")
    broken = runner.run(again.pipeline, again.parameters, str(root), earlier=again.earlier)
    error = str(failure.error_of(broken))
    assert "artifact to import is not there" in error
    assert "failed: None" not in error
    # Each time at one more of the two that are gone, and then at none.
    for _ in range(2):
        stage = failure.stopped_at(broken)
        assert stage in finished[0].tasks
        again = rerun.rerun(str(root), broken.run_id, stages_from=stage)
        broken = runner.run(again.pipeline, again.parameters, str(root), earlier=again.earlier)
    assert broken.status == "succeeded"


def test_one_importer_for_two_users(finished):
    document = toy.toy()
    task = toy.task(":", artifacts={"x": ("Dataset", toy.artifact("copy-test", "dataset"))})
    more = toy.document({"again": task})
    document["components"] |= more["components"]
    document["deploymentSpec"]["executors"] |= more["deploymentSpec"]["executors"]
    document["root"]["dag"]["tasks"] |= more["root"]["dag"]["tasks"]
    smaller = rerun.cut(parse(toy.text(document)), finished[1], frozenset({"again", "judge"}))
    assert sorted(n for n in smaller.tasks if n.startswith("importer-")) == [
        "importer-copy-test-dataset",
        "importer-train-model",
    ]


def test_outputs_of_the_pipeline_go_with_their_task(finished):
    document = toy.toy()
    root = document["root"]
    root["outputDefinitions"] = {"artifacts": {"m": toy.kind("Model"), "r": toy.kind("HTML")}}
    root["dag"]["outputs"] = {
        "artifacts": {
            "m": {
                "artifactSelectors": [{"producerSubtask": "train", "outputArtifactKey": "model"}]
            },
            "r": {
                "artifactSelectors": [{"producerSubtask": "judge", "outputArtifactKey": "report"}]
            },
        }
    }
    smaller = rerun.cut(parse(toy.text(document)), finished[1], frozenset({"judge"}))
    assert set(smaller.document["root"]["dag"]["outputs"]["artifacts"]) == {"r"}
    assert set(smaller.document["root"]["outputDefinitions"]["artifacts"]) == {"r"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("train", {"train"}),
        ("copy", {"copy-train", "copy-test"}),
        ("copy-test", {"copy-test"}),
        ("look", {"look"}),
    ],
)
def test_names_of_stages(pipeline, name, found):
    assert rerun.select(pipeline, name) == found


@pytest.mark.parametrize("name", ["", "cop", "nope", "copy-"])
def test_unknown_stage(pipeline, name):
    with pytest.raises(UsageError, match="no such stage") as caught:
        rerun.select(pipeline, name)
    assert "look" in str(caught.value)


def test_titles_name_stages_too():
    tasks = {"copy": toy.task(":"), "copy-2": toy.task(":")}
    document = toy.document(tasks)
    for name, title in (("copy", "copy[train]"), ("copy-2", "copy[test]")):
        document["root"]["dag"]["tasks"][name]["taskInfo"]["name"] = title
    assert rerun.select(parse(toy.text(document)), "copy[test]") == {"copy-2"}


@pytest.mark.parametrize("stage", ["train", "copy", "copy-train", "look", "judge"])
@pytest.mark.parametrize("alone", [False, True])
def test_cut_pipelines_are_valid_for_kfp(finished, stage, alone, tmp_path):
    from google.protobuf import json_format
    from kfp.components import load_component_from_text
    from kfp.pipeline_spec import pipeline_spec_pb2

    record = finished[1]
    flags = {"only": stage} if alone else {"stages_from": stage}
    smaller = rerun.rerun(record.root, record.run_id, **flags).pipeline
    json_format.ParseDict(smaller.document, pipeline_spec_pb2.PipelineSpec())
    loaded = load_component_from_text(smaller.source.decode())
    assert set(loaded.pipeline_spec.root.dag.tasks) == set(smaller.tasks)


def test_importers_are_what_kfp_compiles(finished, tmp_path):
    from kfp import compiler, dsl

    @dsl.container_component
    def use(x: dsl.Input[dsl.Dataset]):
        return dsl.ContainerSpec(image="toy", command=["echo", x.uri])

    metadata = {"n": 3, "split": "train", "deep": {"a": [1]}}

    @dsl.pipeline(name="p")
    def imports():
        taken = dsl.importer(
            artifact_uri="/made", artifact_class=dsl.Dataset, reimport=False, metadata=metadata
        )
        use(x=taken.output)

    file = tmp_path / "p.yaml"
    compiler.Compiler().compile(imports, str(file))
    theirs = toy.read(file.read_text())

    task = toy.task(":", artifacts={"x": ("Dataset", toy.artifact("make", "data"))})
    whole = toy.document({"make": toy.task(":", files={"data": "Dataset"}), "use": task})
    made = toy.kind("Dataset")["artifactType"]
    outputs = {"data": Artifact("data", "/made", made, metadata)}
    done = state.TaskRecord("make", status=state.Status.SUCCEEDED, outputs=Values({}, outputs))
    record = state.RunRecord("r", "/root", "p", "d", {}, tasks={"make": done})
    ours = rerun.cut(parse(toy.text(whole)), record, frozenset({"use"})).document
    name = "importer-make-data"
    assert ours["components"][f"comp-{name}"] == {
        **theirs["components"]["comp-importer"],
        "executorLabel": f"exec-{name}",
    }
    executors = theirs["deploymentSpec"]["executors"]
    assert ours["deploymentSpec"]["executors"][f"exec-{name}"] == executors["exec-importer"]
    task = theirs["root"]["dag"]["tasks"]["importer"]
    assert ours["root"]["dag"]["tasks"][name] == {
        **task,
        "componentRef": {"name": f"comp-{name}"},
        "taskInfo": {"name": name},
    }
    assert ours["root"]["dag"]["tasks"]["use"]["dependentTasks"] == [name]


def go(root, **flags):
    plan = rerun.rerun(str(root), **flags)
    return runner.run(
        plan.pipeline, plan.parameters, str(root), force=plan.force, earlier=plan.earlier
    )


def done(record):
    return {name for name, status in statuses(record).items() if status == "succeeded"}


def test_from_runs_the_stage_and_what_follows(run, root):
    first = run()
    second = go(root, stages_from="train")
    assert done(second) == {"train", "judge"}
    assert second.earlier == first.run_id
    assert second.tasks["copy-test"].cached_from == first.run_id
    # The record is whole, so a rerun can go on from a rerun.
    assert done(go(root, stages_from="copy-test")) == {"copy-test", "judge"}
    assert done(go(root, only="look")) == {"look"}
    assert pathlib.Path(second.folder, "whole.yaml").exists()


def test_only_runs_the_stage_alone(run, root):
    run()
    record = go(root, only="train")
    assert done(record) == {"train"}
    assert record.tasks["judge"].status == "cached"


def test_changed_parameter(run, root):
    run()
    record = go(root, stages_from="train", assignments=["steps=12"])
    assert record.parameters["steps"] == 12
    assert record.tasks["train"].inputs.parameters == {"steps": 12}


def test_parameter_that_only_left_out_stages_use(run, root):
    run()
    with pytest.raises(UsageError, match=r"no effect.*\n.*copy-t") as caught:
        rerun.rerun(str(root), stages_from="train", assignments=["data=elsewhere"])
    assert "--from look" in str(caught.value)
    same = state.find(str(root)).parameters["data"]
    rerun.rerun(str(root), stages_from="train", assignments=[f"data={same}"])


def test_parameter_of_two_left_out_stages(run, root, data):
    document = toy.toy()
    for task in ("copy-train", "copy-test"):
        node = document["root"]["dag"]["tasks"][task]["inputs"]["parameters"]
        node["data"] = toy.parameter("steps")
    inputs = document["root"]["dag"]["tasks"]["train"]["inputs"]["parameters"]
    inputs["steps"] = toy.constant(1)
    run()
    changed = parse(toy.text(document))
    with pytest.raises(UsageError, match=r"rerun --from copy$"):
        rerun.rerun(str(root), stages_from="train", assignments=["steps=5"], pipeline=changed)


def test_needs_what_the_earlier_run_did_not_finish(run, root, monkeypatch):
    monkeypatch.setenv("BREAK", "train")
    record = run()
    for flags in ({"stages_from": "judge"}, {"only": "judge"}):
        with pytest.raises(UsageError, match="train: earlier run has no finished output") as caught:
            rerun.rerun(str(root), **flags)
        assert f"--from train --run {record.run_id}" in str(caught.value)


def test_pipeline_that_changed_since(run, root):
    run()
    document = toy.toy()
    kinds = document["components"]["comp-copy-test"]["outputDefinitions"]["artifacts"]
    kinds["more"] = toy.kind("Dataset")
    inputs = document["root"]["dag"]["tasks"]["judge"]["inputs"]["artifacts"]
    inputs["dataset"] = toy.artifact("copy-test", "more")
    changed = parse(toy.text(document))
    with pytest.raises(UsageError, match=r"copy-test\.more"):
        rerun.rerun(str(root), only="judge", pipeline=changed)
    assert rerun.rerun(str(root), only="train", pipeline=changed).earlier.whole is changed


def test_imported_artifact_that_was_deleted(run, root):

    record = run()
    shutil.rmtree(record.tasks["copy-train"].outputs.artifacts["dataset"].uri)
    error = failure.error_of(go(root, only="train"))
    assert error.exit_code == 3
    assert "artifact to import is not there" in str(error)


def test_value_that_looks_like_a_placeholder(finished):
    whole, record = finished
    look = record.tasks["look"]
    values = dict.fromkeys(look.outputs.parameters, "{{$}}")
    odd = dataclasses.replace(look, outputs=Values(values))
    odd_record = dataclasses.replace(record, tasks={**record.tasks, "look": odd})
    with pytest.raises(UsageError, match="placeholder"):
        rerun.cut(whole, odd_record, frozenset({"copy-test"}))


@pytest.mark.parametrize(
    "changed",
    [{"metadata": {"note": ["{{$.inputs.parameters['uri']}}"]}}, {"uri": "/root/{{$}}/dataset"}],
)
def test_trust_14_an_artifact_that_looks_like_a_placeholder(finished, changed):
    """KFP's driver fills in constants, our runner the metadata of an importer.

    Source: kubeflow/pipelines at 7b70c7b, backend/src/v2/driver/resolve.go, line 426: constants
    that are `{{$.pipeline_job_name}}` and the like. Its component/importer_launcher.go, line 252,
    copies metadata as they are; what Vertex AI does was never met.
    """
    whole, record = finished
    copied = record.tasks["copy-train"]
    made = copied.outputs.artifacts["dataset"]
    odd = dataclasses.replace(
        copied, outputs=Values({}, {"dataset": dataclasses.replace(made, **changed)})
    )
    odd_record = dataclasses.replace(record, tasks={**record.tasks, "copy-train": odd})
    with pytest.raises(UsageError, match="placeholder"):
        rerun.cut(whole, odd_record, frozenset({"train", "judge"}))


def test_without_a_run_the_last_one_that_has_what_is_needed_is_taken(
    run, root, file, monkeypatch, capsys
):
    good = run()
    monkeypatch.setenv("BREAK", "a")
    bad = run(steps=11, force=frozenset({"copy-train"}))
    assert bad.status == "failed"
    monkeypatch.delenv("BREAK")
    job = launch.part(
        str(root), "", stages_from="train", only="", pipeline="", data=None, assignments=[]
    )
    assert job.earlier.record.run_id == good.run_id
    assert f"going on from run {good.run_id}: later ones lack copy-train" in capsys.readouterr().err
    # A run that is named is the one that is meant.
    with pytest.raises(UsageError, match="no finished output"):
        launch.part(
            str(root),
            bad.run_id,
            stages_from="train",
            only="",
            pipeline="",
            data=None,
            assignments=[],
        )


def test_the_page_of_a_rerun_shows_what_the_stages_before_it_led_to(pipeline, data, root, file):
    """A stage that was left out has its place in the graph, and no reason of its own."""
    job = rerun.Rerun(pipeline, {"data": str(data), "steps": 10})
    how = {"cache": True, "jobs": None, "progress": lambda task, note: None}
    before = launch.start(job, str(root), **how)
    part = launch.part(
        str(root),
        "",
        stages_from="train",
        only="",
        pipeline="",
        data=None,
        assignments=["steps=11"],
    )
    after = launch.start(part, str(root), **how)
    edges = [
        pathlib.Path(record.folder, "index.html").read_text().count('class="edge"')
        for record in (before, after)
    ]
    assert edges[0] == edges[1] > 0
    logs = re.findall(r'href="([^"]+\.log)"', pathlib.Path(after.folder, "index.html").read_text())
    assert logs
    assert all(pathlib.Path(after.folder, log).is_file() for log in logs)
    assert before.tasks["look"].reasons
    assert after.tasks["look"].reasons == ()
