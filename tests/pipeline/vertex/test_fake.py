"""The fake refuses what the service would; otherwise it would prove little."""

import copy

import pytest

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.vertex.client import Vertex
from idxpipe.pipeline.vertex.request import Place
from tests.pipeline import toy


@pytest.fixture
def vertex(service):
    return Vertex(Place("toy-project", "us-central1"), service.url)


def job():
    config = {"gcsOutputDirectory": "gs://ours/root", "parameterValues": {"data": "gs://ours/data"}}
    return {"displayName": "toy", "pipelineSpec": toy.toy(), "runtimeConfig": config}


def without(path):
    body = job()
    *parents, last = path.split(".")
    place = body
    for name in parents:
        place = place[name]
    del place[last]
    return body


def changed(path, value):
    body = job()
    *parents, last = path.split(".")
    place = body
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return body


def test_right(vertex, service):
    assert vertex.create(job(), "right")["state"] == "PIPELINE_STATE_PENDING"
    assert service.wait("right")["state"] == "PIPELINE_STATE_SUCCEEDED"


@pytest.mark.parametrize(
    "body",
    [
        {},
        without("pipelineSpec"),
        without("runtimeConfig"),
        without("runtimeConfig.gcsOutputDirectory"),
        without("runtimeConfig.parameterValues.data"),
        without("pipelineSpec.components.comp-train"),
        without("pipelineSpec.deploymentSpec.executors.exec-train"),
        changed("displayName", 7),
        changed("displayName", "x" * 129),
        changed("colour", "red"),
        changed("state", "PIPELINE_STATE_SUCCEEDED"),
        changed("labels.Team", "x"),
        changed("labels.team", "X"),
        changed("pipelineSpec.schemaVersion", "2.0.0"),
        changed("pipelineSpec.colour", "red"),
        changed("pipelineSpec.root.dag.tasks", {}),
        changed("runtimeConfig.colour", "red"),
        changed("runtimeConfig.gcsOutputDirectory", "/tmp"),
        changed("runtimeConfig.failurePolicy", "FAST"),
        changed("runtimeConfig.parameterValues.steps", "ten"),
        changed("runtimeConfig.parameterValues.steps", 1.5),
        changed("runtimeConfig.parameterValues.colour", "red"),
        changed("encryptionSpec.colour", "red"),
    ],
)
def test_wrong(vertex, service, body):
    with pytest.raises(IdxpipeError, match="request is refused"):
        vertex.create(copy.deepcopy(body), "wrong")
    assert service.jobs == {}


@pytest.mark.parametrize("job_id", ["Upper", "1st", "a_b", "x" * 129])
def test_wrong_id(vertex, job_id):
    with pytest.raises(IdxpipeError, match="request is refused"):
        vertex.create(job(), job_id)


def test_twice(vertex):
    vertex.create(job(), "once")
    with pytest.raises(IdxpipeError, match="exists already"):
        vertex.create(job(), "once")


def test_another_place(service):
    with pytest.raises(IdxpipeError, match="permission denied"):
        Vertex(Place("other-project", "us-central1"), service.url).jobs()
