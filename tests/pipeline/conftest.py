import pytest

from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import parse
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


def statuses(record):
    """Return how each stage ended."""
    return {t.name: str(t.status) for t in record.tasks.values() if t.kind == "container"}
