"""Looking at runs on Kubeflow and rerunning their stages; the metadata store is the real one."""

import pytest
import yaml

from idxpipe.pipeline.cli.services import watch
from idxpipe.pipeline.kubeflow import client as kubeflow
from idxpipe.pipeline.kubeflow.record import _STATES, _TASK_STATES, FINAL, read
from tests.pipeline import toy
from tests.pipeline.kubeflow.test_mlmd import states


def test_a_run_is_seen_with_its_outputs(run, submit):
    done = submit("--wait", "--poll", "0.01")
    assert done["run"] == "run-1"
    assert done["status"] == "succeeded"
    assert set(states(done).values()) == {"succeeded"}
    look = done["tasks"]["look"]["outputs"]
    assert look["parameters"].keys() == {"fingerprint_a", "fingerprint_b"}
    assert look["artifacts"]["report"]["uri"].startswith("s3://ours/root/")
    assert done["tasks"]["judge"]["outputs"]["artifacts"]["metrics"]["metadata"] == {
        "accuracy": 0.5,
        "n": 3,
    }
    text = run("status", "run-1", json_=False)
    assert "run-1: succeeded" in text
    assert "test accuracy     0.5000" in text


def test_from_imports_what_came_before(run, submit, service):
    submit()
    again = run("submit", "--from", "train", "--run", "run-1", "--set", "steps=7", "--wait")
    assert {n for n, s in states(again).items() if s == "succeeded"} == {"train", "judge"} | {
        name for name in again["tasks"] if name.startswith("importer-")
    }
    sent = service.runs["run-2"]
    assert sent["runtime_config"]["parameters"]["steps"] == 7
    assert sent["runtime_config"]["pipeline_root"] == "s3://ours/root"
    assert sent["description"] == "idxpipe: goes on from run run-1"
    options = sent["pipeline_spec"]["root"]["dag"]["tasks"]["train"]["cachingOptions"]
    assert options == {"enableCache": False}


def test_a_rerun_can_go_on_from_a_rerun(run, submit, service):
    submit()
    run("submit", "--only", "train", "--run", "run-1")
    record = run("status", "run-2")
    assert states(record)["copy-train"] == "cached"
    assert record["tasks"]["copy-train"]["cached_from"] == "run-1"
    again = run("submit", "--only", "judge", "--run", "run-2", "--wait")
    model = service.runs["run-3"]["pipeline_spec"]["deploymentSpec"]["executors"]
    uris = [e["importer"]["artifactUri"]["constant"] for e in model.values() if "importer" in e]
    assert any(
        uri == record["tasks"]["train"]["outputs"]["artifacts"]["model"]["uri"] for uri in uris
    )
    assert again["status"] == "succeeded"


def test_a_failed_run_says_where_and_how_to_go_on(submit, service, file):
    document = toy.toy()
    executor = document["deploymentSpec"]["executors"]["exec-train"]
    executor["container"]["env"] = [{"name": "BREAK", "value": "train"}]
    file.write_bytes(yaml.safe_dump(document).encode())
    error = submit("--wait", "--poll", "0.01", check=1)
    assert "error: train: stage failed; its log says why" in error
    assert "kubectl logs --namespace kubeflow --selector pipeline/runid=run-1" in error
    assert f"idxpipe submit --kfp-host {service.url} --from train --run run-1" in error


def test_an_earlier_run_that_lacks_what_is_needed(run, submit, service):
    service.folder, folder = None, service.folder
    submit()
    service.folder = folder
    error = run("submit", "--from", "train", "--run", "run-1", check=2)
    assert "earlier run has no finished output of this stage" in error
    assert "--from look --run run-1" in error


def test_list_goes_through_the_pages(run, submit, service):
    service.folder = None
    for _ in range(5):
        submit()
    assert [r["run_id"] for r in run("list")] == [f"run-{n}" for n in (5, 4, 3, 2, 1)]
    assert len(run("list", "--limit", "3", "--namespace", "team", "--experiment", "e")) == 3
    assert service.requests[-1].query["namespace"] == "team"
    text = run("list", "--limit", "1", json_=False)
    assert text.splitlines()[0].split() == ["run", "status", "created", "name"]
    assert "--filter: flag is for Vertex AI only" in run("list", "--filter", "x", check=2)
    assert "--limit" in run("list", "--limit", "0", check=2)


def test_cancel(run, submit, service):
    service.folder = None
    service.states = ("RUNNING",)
    submit()
    assert run("cancel", "run-1") == {"run": "run-1", "cancelling": True}
    error = run("wait", "run-1", "--poll", "0.01", check=130)
    assert "run was cancelled" in error


def test_logs(run, submit):
    submit()
    found = run("logs", "run-1", "train", "--namespace", "team")
    assert found["commands"] == [kubeflow.logging_command("run-1", "team")]
    assert "no such stage" in run("logs", "run-1", "trian", check=2)


def test_ctrl_c_ends_the_watching_only(run, submit, service, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    submit()
    monkeypatch.setattr(watch, "follow", interrupted)
    error = run("wait", "run-1", check=130)
    assert f"run-1 runs on; idxpipe wait run-1 --kfp-host {service.url}" in error


def test_an_uploaded_pipeline_is_fetched(run, submit, service):
    submit()
    sent = service.runs["run-1"]
    service.versions["v-1"] = {"pipeline_spec": sent.pop("pipeline_spec")}
    sent["pipeline_version_reference"] = {"pipeline_id": "p-1", "pipeline_version_id": "v-1"}
    assert run("status", "run-1")["status"] == "succeeded"
    assert service.requests[-1].path == "/apis/v2beta1/pipelines/p-1/versions/v-1"


def test_a_run_that_is_not_there(run, service):
    error = run("status", "run-9", check=2)
    assert "not found" in error
    assert f"idxpipe list --kfp-host {service.url}" in error
    assert "not the id of a run" in run("status", "../x", check=2)


@pytest.mark.parametrize(
    "broken",
    [
        {"run_id": "r"},
        {"run_id": "r", "pipeline_spec": {"schemaVersion": "2.0.0"}},
        {"run_id": "r", "pipeline_spec": "text"},
        {"run_id": "r", "pipeline_spec": toy.toy(), "run_details": {"task_details": [1]}},
        {"run_id": "r", "pipeline_spec": toy.toy(), "runtime_config": {"parameters": 3}},
        {"run_id": "r", "pipeline_spec": toy.toy(), "created_at": "yesterday"}
        | {"runtime_config": {"parameters": {"data": "s3://ours/data"}}},
    ],
)
def test_what_cannot_be_understood_is_an_error_of_ours(broken):
    from idxpipe.components.core.errors import DataError

    with pytest.raises(DataError):
        read(broken)


def test_kfps_own_client_asks_the_same(run, submit, service):
    """Method, path and names of the query are not ours to choose; and it reads the answers."""
    import kfp_server_api

    submit("--name", "mine")
    api = kfp_server_api.RunServiceApi(
        kfp_server_api.ApiClient(kfp_server_api.Configuration(host=service.url))
    )

    def asked(work):
        before = len(service.requests)
        answer = work()
        return answer, [(r.method, r.path, set(r.query)) for r in service.requests[before:]]

    listing = {"page_size": 5, "sort_by": "created_at desc", "namespace": "n", "experiment_id": "e"}
    theirs, asked_by_them = asked(lambda: api.run_service_list_runs(**listing))
    words = ("--limit", "5", "--namespace", "n", "--experiment", "e")
    ours, asked_by_us = asked(lambda: run("list", *words))
    assert asked_by_us == asked_by_them
    assert [r.display_name for r in theirs.runs] == [r["display_name"] for r in ours] == ["mine"]

    theirs, asked_by_them = asked(lambda: api.run_service_get_run("run-1"))
    ours, asked_by_us = asked(lambda: run("status", "run-1"))
    assert asked_by_us == asked_by_them
    assert theirs.state == ours["state"] == "SUCCEEDED"
    # What the fake tells of tasks are fields of their model, with states that it knows.
    assert {d.display_name for d in theirs.run_details.task_details} > ours["tasks"].keys()
    known = set(kfp_server_api.V2beta1RuntimeState.allowable_values)
    assert {d.state for d in theirs.run_details.task_details} < known
    assert FINAL | _STATES.keys() | _TASK_STATES.keys() <= known

    _, asked_by_them = asked(lambda: api.run_service_terminate_run("run-1"))
    _, asked_by_us = asked(lambda: run("cancel", "run-1"))
    assert asked_by_us == asked_by_them

    versions = kfp_server_api.PipelineServiceApi(api.api_client)
    service.versions["v-1"] = {"pipeline_spec": toy.toy()}
    _, (asked_by_them,) = asked(
        lambda: versions.pipeline_service_get_pipeline_version("p-1", "v-1")
    )
    reference = {"pipeline_id": "p-1", "pipeline_version_id": "v-1"}
    service.runs["run-1"]["pipeline_version_reference"] = reference
    del service.runs["run-1"]["pipeline_spec"]
    _, asked_by_us = asked(lambda: run("status", "run-1"))
    assert asked_by_us[-1] == asked_by_them


@pytest.mark.parametrize("reference", [{"pipeline_id": "p"}, {"pipeline_version_id": "../x"}])
def test_a_damaged_reference_to_a_pipeline_is_an_error_of_ours(reference, run, submit, service):
    submit()
    del service.runs["run-1"]["pipeline_spec"]
    service.runs["run-1"]["pipeline_version_reference"] = reference
    assert "not the id of" in run("status", "run-1", check=2)
