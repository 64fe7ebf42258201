"""What submit does before it sends anything."""

import json

import pytest

from idxpipe.components.core.google import rest
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight import job as ahead
from idxpipe.pipeline.preflight.check import ok
from idxpipe.pipeline.preflight.services import OVERRIDE
from tests.fakes.google import (
    ACCOUNT,
    BUCKET,
    DIGEST,
    IMAGE,
    PROJECT,
    REGION,
    Google,
    denied,
    serve,
)
from tests.fakes.vertex import FakeVertex
from tests.pipeline import toy


@pytest.fixture
def google(monkeypatch):
    world = Google()
    monkeypatch.setattr("idxpipe.pipeline.preflight.doctor.check_data", fine)
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.001)
    with serve(world) as address:
        monkeypatch.setenv(OVERRIDE, address)
        yield world


def fine(data):
    return ok(f"data {data}", "fine")


@pytest.fixture
def vertex(tmp_path):
    for name in ("a", "b"):
        path = tmp_path / "buckets" / BUCKET / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    with FakeVertex(folder=tmp_path / "buckets", project=PROJECT, region=REGION) as fake:
        yield fake


@pytest.fixture
def submit(vertex, tmp_path, capsys):
    path = tmp_path / "toy.yaml"
    text = toy.text(toy.toy()).decode()
    images = {line.split()[1] for line in text.splitlines() if line.strip().startswith("image:")}
    for image in images:
        text = text.replace(f"image: {image}", f"image: {IMAGE}@{DIGEST}")
    path.write_text(text)

    def run(*words, command="submit"):
        place = ["--project", PROJECT, "--region", REGION, "--endpoint", vertex.url]
        job = ["--root", f"gs://{BUCKET}/runs", "--data", f"gs://{BUCKET}/data"]
        job += ["--pipeline", str(path), "--service-account", ACCOUNT]
        code = main([command, *place, *job, *words])
        done = capsys.readouterr()
        assert "Traceback" not in done.err
        return code, done

    return run


def test_nothing_is_sent_when_a_check_fails(google, vertex, submit):
    google.buckets[BUCKET]["projectNumber"] = "666"
    code, done = submit()
    assert code == 5
    assert "somebody else would hold your models" in done.err
    assert "gcloud storage buckets create" in done.err
    assert not vertex.jobs


def test_a_schedule_is_checked_too(google, vertex, submit):
    google.accounts.clear()
    code, done = submit("--cron", "0 6 * * 1", command="schedule")
    assert code == 5
    assert "there is no such account" in done.err


def test_in_order_it_is_sent(google, vertex, submit):
    code, done = submit()
    assert code == 0, done.err
    assert len(vertex.jobs) == 1
    assert google.requests


def test_what_cannot_be_told_is_said_and_does_not_stop(google, vertex, submit):
    google.errors["services:batchGet"] = denied()
    code, done = submit()
    assert code == 0
    assert "?    APIs: permission denied" in done.err


def test_no_preflight(google, vertex, submit):
    google.buckets.clear()
    code, _ = submit("--no-preflight")
    assert code == 0
    assert not google.requests


def test_of_a_service_that_is_not_googles_google_is_not_asked(vertex, submit, monkeypatch):
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setattr(ahead, "preflight", None)
    assert submit()[0] == 0


def test_plan_sends_nothing(google, vertex, submit):
    code, done = submit("--plan", "--json", "--minutes", "train=60")
    assert code == 0, done.err
    answer = json.loads(done.out)
    assert answer["total"] > 0.15
    assert not vertex.jobs
    assert not google.requests
