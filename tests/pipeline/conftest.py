"""A toy pipeline of the local runner's, and the same file at a fake Vertex AI."""

import json

import pytest

from idxpipe.components.core.google import rest
from idxpipe.pipeline.cli import main as cli
from idxpipe.pipeline.compile import compile_pipeline
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.preflight.services import OVERRIDE
from idxpipe.pipeline.spec.parse import parse
from tests.fakes.google import Google, serve
from tests.fakes.vertex import FakeVertex
from tests.pipeline import toy


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("first\n")
    (folder / "b").write_text("second\n")
    return folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


@pytest.fixture(scope="session")
def pipeline():
    return parse(toy.text(toy.toy()))


@pytest.fixture
def run(pipeline, data, root):
    """Run the toy pipeline; parameters by name, everything else as `runner.run` takes it."""

    def run(steps=10, what=pipeline, **more):
        return runner.run(what, {"data": str(data), "steps": steps}, str(root), **more)

    return run


@pytest.fixture
def buckets(tmp_path):
    folder = tmp_path / "buckets"
    (folder / "ours" / "data").mkdir(parents=True)
    (folder / "ours" / "data" / "a").write_text("first\n")
    (folder / "ours" / "data" / "b").write_text("second\n")
    return folder


@pytest.fixture
def service(buckets):
    with FakeVertex(folder=buckets) as fake:
        yield fake


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_bytes(toy.text(toy.toy()))
    return path


@pytest.fixture
def idxpipe(service, capsys):
    """Run a command on the fake; return its JSON, or for another exit code its stderr."""

    def run(command, *words, check=0, json_=True):
        place = ["--project", service.project, "--region", service.region]
        flags = [*place, "--endpoint", service.url, *(["--json"] if json_ else [])]
        code = cli.main([command, *flags, *map(str, words)])
        done = capsys.readouterr()
        assert code == check, done.err
        if check:
            return done.err
        return json.loads(done.out) if json_ else done.out

    return run


@pytest.fixture
def submit(idxpipe, file):
    def run(*words, **options):
        words = ("--pipeline", file, "--root", "gs://ours/root", "--data", "gs://ours/data", *words)
        return idxpipe("submit", *words, **options)

    return run


@pytest.fixture
def finished(submit, service):
    """The id of a job that succeeded."""
    job_id = submit()["job"]
    assert service.wait(job_id)["state"] == "PIPELINE_STATE_SUCCEEDED"
    return job_id


def statuses(record):
    """Return how each stage ended."""
    return {t.name: str(t.status) for t in record.tasks.values() if t.kind == "container"}


@pytest.fixture
def google(monkeypatch):
    world = Google()
    with serve(world) as address:
        monkeypatch.setenv(OVERRIDE, address)
        monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.001)
        yield world


def one(script, *arguments, inputs=None, **more):
    """Return a pipeline of one task."""
    return parse(toy.text(toy.document({"one": toy.task(script, *arguments, **more)}, inputs)))


def log_of(record, task="one"):
    with open(record.tasks[task].log) as stream:
        return stream.read()


@pytest.fixture(scope="session")
def compiled():
    """Our pipeline, as the compiler makes it now."""
    return compile_pipeline()
