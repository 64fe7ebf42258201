import io
import threading

import pytest

from idxpipe.components.core.errors import TransientError
from idxpipe.pipeline.cli.services import watch
from idxpipe.pipeline.vertex.client import Vertex
from idxpipe.pipeline.vertex.record import FINAL, exit_code, read
from idxpipe.pipeline.vertex.request import Place
from tests.fakes.http import Refused
from tests.terminal import screen


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


def test_wait_ends_as_the_stage_did(service, submit, idxpipe, monkeypatch):
    job_id = fail(service, submit, idxpipe, monkeypatch)
    error = idxpipe("wait", job_id, "--poll", "0.05", check=3)
    place = "--project toy-project --region us-central1"
    assert "error: copy-train: The replica" in error
    assert f"log:      idxpipe logs {job_id} copy-train {place}" in error
    assert f"go on:    idxpipe submit --from copy-train --run {job_id} {place}" in error


def test_submit_and_wait_ends_as_the_stage_did(submit, monkeypatch):
    monkeypatch.setenv("BREAK", "train")
    error = submit("--wait", "--poll", "0.05", check=1)
    assert "train                failed" in error
    assert "exited with a non-zero status of 139" in error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 9, "message": "The replica x exited with a non-zero status of 4. Term"}, 4),
        ({"code": 9, "message": "exited with a non-zero status of 137."}, 137),
        ({"code": 8, "message": "The following quotas are exceeded: CustomModelTraining"}, 6),
        ({"code": 13, "message": "Internal error"}, 6),
        ({"code": 7, "message": "Permission denied"}, 5),
        ({"code": 3, "message": "something"}, 1),
        ({}, 1),
    ],
)
def test_exit_code_of_an_error(error, code):
    assert exit_code(error) == code


def test_ctrl_c_ends_the_watching_only(finished, idxpipe, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "follow", interrupted)
    error = idxpipe("wait", finished, check=130)
    assert f"{finished} runs on; idxpipe wait {finished} --project toy-project" in error


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
    assert idxpipe("status", job_id)["tasks"]["copy-train"]["status"] == "running"
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


def schedule(idxpipe, file, *words, **options):
    words = ("--pipeline", file, "--root", "gs://ours/root", "--data", "gs://ours/data", *words)
    return idxpipe("schedule", *words, **options)


def test_schedule(service, idxpipe, file):
    cron = "TZ=Europe/Zurich 0 6 * * 1-5"
    made = schedule(idxpipe, file, "--cron", cron, "--name", "weekly", "--max-runs", 3)
    assert (made["cron"], made["displayName"], made["maxRunCount"]) == (cron, "weekly", "3")
    number = made["name"].rpartition("/")[2]
    assert service.wait(service.tick(number))["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert [entry["name"] for entry in idxpipe("schedule", "--list")] == [made["name"]]
    assert number in idxpipe("schedule", "--list", json_=False)
    assert idxpipe("schedule", "--delete", number)["deleted"]
    assert "does not exist" in idxpipe("schedule", "--delete", number, check=2)
    assert "not the id of a schedule" in idxpipe("schedule", "--delete", "../x", check=2)
    body = schedule(idxpipe, file, "--cron", cron, "--dry-run")
    assert body["createPipelineJobRequest"]["parent"] == (
        "projects/toy-project/locations/us-central1"
    )
    assert "--cron" in schedule(idxpipe, file, "--cron", "* * *", check=2)
    assert "--cron" in schedule(idxpipe, file, "--cron", "daily", check=2)
    assert "--max-runs" in schedule(idxpipe, file, "--cron", cron, "--max-runs", -1, check=2)


def test_schedules_are_not_created_twice(service, idxpipe, file):
    service.lost = 1
    error = schedule(idxpipe, file, "--cron", "0 6 * * *", check=6)
    assert "service cannot be reached" in error
    assert len(service.schedules) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_table_is_drawn_over_itself(service, submit):
    service.hold = threading.Event()
    job_id = submit()["job"]
    threading.Timer(0.3, service.hold.set).start()
    vertex = Vertex(Place("toy-project", "us-central1"), service.url)
    stream = Terminal()

    def look():
        job = vertex.get(job_id)
        return watch.Look(job, read(job).record, job["state"] in FINAL)

    watch.follow(look, 0.1, stream)
    text = stream.getvalue()
    screens = {tuple(screen(text[:end])) for end in range(0, len(text), 40)} | {tuple(screen(text))}
    whole = [shown for shown in screens if len(shown) == 7]
    assert {tuple(shown[0].split()) for shown in whole} == {("stage", "status", "time")}
    assert any("train       -" in line for shown in whole for line in shown)
    assert any(line.startswith("train       done") for line in screen(text))
    assert len(screen(text)) == 7


def test_waiting_survives_the_service_being_away(service, finished, idxpipe, monkeypatch):
    service.refusals += [Refused(503, "busy") for _ in range(12)]
    assert idxpipe("wait", finished, "--poll", "0.01")["status"] == "succeeded"
    monkeypatch.setattr(watch, "PATIENCE", 1)
    service.refusals += [Refused(503, "busy") for _ in range(10)]
    assert "service fails" in idxpipe(
        "wait", finished, "--poll", "0.01", check=TransientError.exit_code
    )
