"""A fake of Kubeflow's API over the real metadata store."""

import json

import pytest

from idxpipe.pipeline.cli import main as cli
from tests.fakes.kubeflow import FakeKubeflow, metadata_store
from tests.packages import install

ML_METADATA = "ml-metadata==1.17.1"


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """ml-metadata with its own protobuf, which cannot share an environment with ours."""
    return install(tmp_path_factory.mktemp("ml-metadata"), ML_METADATA)


@pytest.fixture
def service(packages, tmp_path, buckets):
    with metadata_store(packages) as url, FakeKubeflow(folder=buckets, store=url) as fake:
        yield fake


@pytest.fixture
def run(service, capsys):
    """Run a command on the fake; return its JSON, or its text, or for another code its stderr."""

    def call(command, *words, check=0, json_=True):
        flags = ["--kfp-host", service.url, *(["--json"] if json_ else [])]
        code = cli.main([command, *flags, *map(str, words)])
        done = capsys.readouterr()
        assert code == check, done.err
        if check:
            return done.err
        return json.loads(done.out) if json_ else done.out

    return call


@pytest.fixture
def submit(run, file):
    def call(*words, **options):
        words = ("--pipeline", file, "--data", "s3://ours/data", "--root", "s3://ours/root", *words)
        return run("submit", *words, **options)

    return call
