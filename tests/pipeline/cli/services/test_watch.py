import io
import threading

import pytest

from idxpipe.components.core.errors import TransientError
from idxpipe.pipeline.cli.services import watch
from idxpipe.pipeline.vertex.client import Vertex
from idxpipe.pipeline.vertex.record import FINAL, exit_code, read
from idxpipe.pipeline.vertex.request import Place
from tests.fakes.http import Refused
from tests.pipeline.cli.services.test_on_vertex import fail
from tests.terminal import screen


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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_table_is_drawn_over_itself(service, submit):
    service.hold = threading.Event()
    job_id = submit()["job"]
    vertex = Vertex(Place("toy-project", "us-central1"), service.url)
    stream = Terminal()
    looks = []

    def look():
        job = vertex.get(job_id)
        if looks:
            service.hold.set()
        looks.append(job["state"])
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
