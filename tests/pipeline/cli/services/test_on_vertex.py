"""What is shown of a job on Vertex AI, and what can be done to it."""

import threading


def fail(service, submit, idxpipe, monkeypatch):
    monkeypatch.setenv("BREAK", "a")
    job_id = submit()["job"]
    service.wait(job_id)
    return job_id


def test_status(idxpipe, finished):
    record = idxpipe("status", finished)
    assert (record["job"], record["status"]) == (finished, "succeeded")
    assert record["tasks"]["train"]["outputs"]["artifacts"]["model"]["uri"].startswith("gs://ours/")
    text = idxpipe("status", finished, json_=False)
    assert f"{finished}: succeeded" in text
    assert "console.cloud.google.com" in text
    assert "test accuracy     0.5" in text
    # By the full name, which has the number of the project.
    assert idxpipe("status", record["name"].replace("123456789012", "toy-project")) == record


def test_status_of_a_failed_run_is_not_an_error(service, submit, idxpipe, monkeypatch):
    job_id = fail(service, submit, idxpipe, monkeypatch)
    text = idxpipe("status", job_id, json_=False)
    assert f"{job_id}: failed" in text
    assert "copy-train: The replica workerpool0-0 exited with a non-zero status of 3" in text


def test_a_job_that_failed_without_a_stage(service, finished, idxpipe):
    job = service.jobs[finished]["job"]
    job["state"] = "PIPELINE_STATE_FAILED"
    job["error"] = {"code": 7, "message": "Permission 'storage.objects.get' denied"}
    error = idxpipe("wait", finished, check=5)
    assert "Permission 'storage.objects.get' denied" in error
    assert "denied" in idxpipe("status", finished, json_=False)


def test_a_paused_job(service, finished, idxpipe):
    service.jobs[finished]["job"]["state"] = "PIPELINE_STATE_PAUSED"
    assert "paused" in idxpipe("wait", finished, check=1)


def test_cancel(service, submit, idxpipe, monkeypatch, tmp_path):
    monkeypatch.setenv("HANG", "a")
    monkeypatch.setenv("HANG_MARK", str(tmp_path / "mark"))
    service.hold = threading.Event()
    job_id = submit()["job"]
    assert idxpipe("status", job_id)["status"] == "pending"
    service.hold.set()
    while not (tmp_path / "mark").exists():
        assert idxpipe("status", job_id)["status"] in {"pending", "running"}
    # What a stage does and what is told of it come by different ways.
    while (status := idxpipe("status", job_id)["tasks"]["copy-train"]["status"]) != "running":
        assert status == "pending"
    assert idxpipe("cancel", job_id) == {"job": job_id, "cancelling": True}
    service.wait(job_id)
    assert "run was cancelled" in idxpipe("wait", job_id, check=130)
    assert "Cannot cancel" in idxpipe("cancel", job_id, check=2)


def test_list_goes_through_the_pages(service, finished, idxpipe, monkeypatch):
    from idxpipe.pipeline.vertex import client as vertex

    monkeypatch.setattr(vertex, "_PAGE", 2)
    for number in range(5):
        entry = service.jobs[finished]
        job = {**entry["job"], "name": f"{service.parent}/pipelineJobs/more-{number}"}
        service.jobs[f"more-{number}"] = {**entry, "job": job}
    names = [job["name"].rpartition("/")[2] for job in idxpipe("list")]
    assert names == [f"more-{n}" for n in (4, 3, 2, 1, 0)] + [finished]
    assert len(idxpipe("list", "--limit", "3")) == 3
    service.jobs["more-1"]["job"]["state"] = "PIPELINE_STATE_FAILED"
    text = idxpipe("list", "--filter", 'state="PIPELINE_STATE_FAILED"', json_=False)
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["job", "status"],
        ["more-1", "failed"],
    ]
    assert "Invalid filter" in idxpipe("list", "--filter", "colour=red", check=2)
    assert "--limit" in idxpipe("list", "--limit", "0", check=2)


def test_logs(service, finished, idxpipe):
    found = idxpipe("logs", finished)
    (command,) = found["commands"]
    assert f'resource.labels.pipeline_job_id="{finished}"' in command
    assert finished in found["console"]
    commands = idxpipe("logs", finished, "copy")["commands"]
    assert len(commands) == 2
    details = service.jobs[finished]["job"]["jobDetail"]["taskDetails"]
    copy = next(d for d in details if d["taskName"] == "copy-test")
    number = copy["executorDetail"]["containerDetail"]["mainJob"].rpartition("/")[2]
    assert f'resource.labels.job_id="{number}"' in commands[0]
    assert "gcloud logging read" in idxpipe("logs", finished, json_=False)
    assert "no such stage" in idxpipe("logs", finished, "nope", check=2)
    del copy["executorDetail"]
    assert "stage has no log" in idxpipe("logs", finished, "copy-test", check=2)
