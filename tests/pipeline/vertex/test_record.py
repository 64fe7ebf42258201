import threading
from pathlib import Path

import pytest

from idxpipe.pipeline.spec.parse import load
from idxpipe.pipeline.vertex import record as vertex_record
from idxpipe.pipeline.vertex import request as vertex_request


def stages(job):
    return {name: d["state"] for d in job["jobDetail"]["taskDetails"] if (name := d["taskName"])}


def ran(service, job_id):
    job = service.wait(job_id)
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED", job
    done = {n for n, s in stages(job).items() if s == "SUCCEEDED"}
    return {n for n in done if not n.startswith("importer-")} - {job_id}


def test_from_a_stage(idxpipe, service, finished):
    job_id = idxpipe("submit", "--from", "train", "--run", finished)["job"]
    assert ran(service, job_id) == {"train", "judge"}
    before = service.jobs[finished]["job"]
    job = service.jobs[job_id]["job"]
    assert job["runtimeConfig"] == before["runtimeConfig"]
    assert job["labels"][vertex_request.EARLIER] == finished
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert set(tasks) == {
        "train",
        "judge",
        "importer-copy-train-dataset",
        "importer-copy-test-dataset",
    }
    uri = tasks["importer-copy-train-dataset"]["inputs"]["parameters"]["uri"]
    made = next(d for d in before["jobDetail"]["taskDetails"] if d["taskName"] == "copy-train")
    assert uri["runtimeValue"]["constant"] == made["outputs"]["dataset"]["artifacts"][0]["uri"]
    assert uri["runtimeValue"]["constant"].startswith("gs://ours/root/")


def test_one_stage(idxpipe, service, finished):
    job_id = idxpipe("submit", "--only", "judge", "--run", finished)["job"]
    assert ran(service, job_id) == {"judge"}


def test_values_are_handed_on(idxpipe, service, finished):
    body = idxpipe("submit", "--only", "copy", "--run", finished, "--dry-run")
    tasks = body["pipelineSpec"]["root"]["dag"]["tasks"]
    details = service.jobs[finished]["job"]["jobDetail"]["taskDetails"]
    look = next(d for d in details if d["taskName"] == "look")
    value = look["execution"]["metadata"]["output:fingerprint_a"]
    source = tasks["copy-train"]["inputs"]["parameters"]["fingerprint"]
    assert source == {"runtimeValue": {"constant": value}}


def test_a_rerun_goes_on_from_a_rerun(idxpipe, service, finished):
    second = idxpipe("submit", "--only", "train", "--run", finished)["job"]
    assert ran(service, second) == {"train"}
    third = idxpipe("submit", "--from", "copy-test", "--run", second)["job"]
    assert ran(service, third) == {"copy-test", "judge"}
    # The model is the second run's, the fingerprint the first one's.
    tasks = service.jobs[third]["job"]["pipelineSpec"]["root"]["dag"]["tasks"]
    model = tasks["importer-train-model"]["inputs"]["parameters"]["uri"]["runtimeValue"]
    trained = service.jobs[second]["job"]["jobDetail"]["taskDetails"]
    made = next(d for d in trained if d["taskName"] == "train")
    assert model["constant"] == made["outputs"]["model"]["artifacts"][0]["uri"]
    assert ran(service, idxpipe("submit", "--from", "look", "--run", third)["job"]) >= {"look"}


def test_a_rerun_whose_first_run_was_deleted_has_its_own_stages(idxpipe, service, finished):
    second = idxpipe("submit", "--from", "train", "--run", finished)["job"]
    service.wait(second)
    del service.jobs[finished]
    assert ran(service, idxpipe("submit", "--only", "judge", "--run", second)["job"]) == {"judge"}
    assert "no such stage" in idxpipe("submit", "--only", "look", "--run", second, check=2)


def test_changed_parameter_and_settings(idxpipe, service, finished):
    words = ("--from", "train", "--run", finished, "--set", "steps=12", "--name", "again")
    body = idxpipe("submit", *words, "--root", "gs://ours/other", "--labels", "a=b", "--dry-run")
    assert body["runtimeConfig"]["parameterValues"] == {"data": "gs://ours/data", "steps": 12}
    assert body["runtimeConfig"]["gcsOutputDirectory"] == "gs://ours/other"
    assert body["displayName"] == "again"
    assert body["labels"] == {"a": "b", vertex_request.EARLIER: finished}
    error = idxpipe("submit", "--from", "judge", "--run", finished, "--set", "steps=1", check=2)
    assert "parameter has no effect on the stages to run" in error


def test_forced_stages_are_not_taken_from_the_cache(idxpipe, finished):
    body = idxpipe("submit", "--from", "train", "--run", finished, "--dry-run")
    tasks = body["pipelineSpec"]["root"]["dag"]["tasks"]
    assert tasks["train"]["cachingOptions"] == {"enableCache": False}
    assert tasks["importer-copy-train-dataset"]["cachingOptions"] == {"enableCache": True}


def test_after_a_failure(submit, idxpipe, service, monkeypatch):
    monkeypatch.setenv("BREAK", "b")
    failed = submit()["job"]
    assert service.wait(failed)["state"] == "PIPELINE_STATE_FAILED"
    error = idxpipe("submit", "--from", "judge", "--run", failed, check=2)
    assert "earlier run has no finished output of this stage" in error
    # The tests' own project and region, so that the command can be pasted.
    assert f"--run {failed} --project toy-project --region us-central1" in error
    monkeypatch.delenv("BREAK")
    again = idxpipe("submit", "--from", "copy-test", "--run", failed)["job"]
    assert {"copy-test", "judge"} <= ran(service, again)
    assert "look" not in ran(service, again)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--from", "nope"], "no such stage"),
        (["--from", "train", "--set", "stepz=1"], "stepz: no such parameter"),
        (["--from", "look", "--data", "data/mnist"], "data: data is not in a bucket"),
        (["--from", "train", "--root", "out"], "--root: invalid value"),
    ],
)
def test_refused(idxpipe, service, finished, words, found):
    before = len(service.jobs)
    assert found in idxpipe("submit", "--run", finished, *words, check=2)
    assert len(service.jobs) == before


def test_by_the_full_name(idxpipe, service, finished):
    # With the number of the project, as the API has it.
    name = service.jobs[finished]["job"]["name"]
    body = idxpipe("submit", "--run", name, "--only", "judge", "--dry-run")
    assert body["labels"] == {vertex_request.EARLIER: finished}
    other = name.replace("us-central1", "europe-west4")
    assert "permission denied" in idxpipe("submit", "--run", other, "--only", "judge", check=5)


def test_no_such_run(idxpipe):
    error = idxpipe("submit", "--run", "never-was", "--from", "train", check=2)
    assert "The PipelineJob does not exist" in error
    assert "idxpipe list --project toy-project" in error
    assert "JOB: invalid value" in idxpipe("submit", "--run", "No_Id", "--from", "train", check=2)


def test_a_job_of_another_kind(idxpipe, service, finished):
    service.jobs[finished]["job"]["pipelineSpec"]["schemaVersion"] = "2.0.0"
    error = idxpipe("submit", "--run", finished, "--from", "train", check=3)
    assert "job is not of a pipeline compiled by KFP 2" in error


def test_what_only_a_cluster_can_compute_is_not_cut(idxpipe, service, finished):
    spec = service.jobs[finished]["job"]["pipelineSpec"]
    task = spec["root"]["dag"]["tasks"]["judge"]
    task["triggerPolicy"] = {"condition": "inputs.parameter_values['score'] > 0.5"}
    error = idxpipe("submit", "--from", "train", "--run", finished, check=2)
    assert "judge: a condition (dsl.If)" in error


def test_values_are_read_as_what_they_were():
    assert vertex_record._typed("BOOLEAN", "true") is True
    assert vertex_record._typed("LIST", "[1, 2]") == [1, 2]
    assert vertex_record._typed("NUMBER_INTEGER", 3.0) == 3
    assert vertex_record._typed("NUMBER_INTEGER", "3") == 3
    assert vertex_record._typed("STRING", "3") == "3"
    assert vertex_record._typed("NUMBER_DOUBLE", "a lot") == "a lot"


def test_a_run_on_a_tpu_is_cut_too(idxpipe, service):
    """Nothing here can run it; what it left behind is made up from its declarations."""
    file = Path("tests/pipeline/golden/tpu-v5e-4.yaml")
    words = ("--pipeline", file, "--root", "gs://ours/root", "--data", "gs://ours/data")
    service.hold = threading.Event()
    job_id = idxpipe("submit", *words)["job"]
    job = service.jobs[job_id]["job"]
    whole = load(str(file))
    child = "https://us-central1-aiplatform.googleapis.com/v1/projects/1/locations/x/customJobs/77"
    values = {"STRING": child, "NUMBER_INTEGER": 3, "NUMBER_DOUBLE": 0.5, "BOOLEAN": "true"}
    job["jobDetail"] = {
        "taskDetails": [
            {
                "taskId": str(number),
                "taskName": task.name,
                "state": "SUCCEEDED",
                "execution": {
                    "metadata": {
                        f"output:{name}": values[parameter.type]
                        for name, parameter in task.component.output_parameters.items()
                    }
                },
                "outputs": {
                    name: {"artifacts": [{"uri": f"gs://ours/root/{task.name}/{name}"}]}
                    for name in task.component.output_artifacts
                },
            }
            for number, task in enumerate(whole.tasks.values())
        ]
    }
    job["state"] = "PIPELINE_STATE_SUCCEEDED"
    body = idxpipe("submit", "--only", "evaluate", "--run", job_id, "--dry-run")
    tasks = body["pipelineSpec"]["root"]["dag"]["tasks"]
    uri = tasks["importer-train-model"]["inputs"]["parameters"]["uri"]["runtimeValue"]["constant"]
    assert uri == "gs://ours/root/train/model"
    # Its log is that of the job which its container started.
    assert 'job_id="77"' in idxpipe("logs", job_id, "train")["commands"][0]
    body = idxpipe("submit", "--from", "train", "--run", job_id, "--dry-run")
    again = body["pipelineSpec"]["root"]["dag"]["tasks"]["train"]
    assert again["inputs"]["parameters"].keys() == set(whole.tasks["train"].parameters)
    service.hold.set()
