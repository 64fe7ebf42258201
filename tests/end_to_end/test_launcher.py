"""The committed pipeline.yaml under Kubeflow's launcher, which alone has the store's secret."""

import json

import pytest

from idxpipe.components.core import storage
from tests.emulators import make_bucket
from tests.end_to_end.test_local import digits, idxpipe
from tests.fakes.launcher import Launcher
from tests.idxfiles import NAMES, write_idx

SMALL = {
    "train_steps": 20,
    "batch_size": 32,
    "iterations": 10,
    "checkpoint_steps": 10,
    "num_shards": 2,
}
# Differ from run to run: when, where, how fast.
NOT_REPRODUCIBLE = ("tfevents", "history.json", "task.json", "checkpoints/checkpoint")


class S3:
    """A bucket at moto's server, whose secret the launcher takes from Kubernetes."""

    def __init__(self, secret, name):
        import boto3

        self._client = boto3.client(
            "s3",
            endpoint_url=secret["AWS_ENDPOINT_URL"],
            aws_access_key_id=secret["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret["AWS_SECRET_ACCESS_KEY"],
            region_name=secret["AWS_DEFAULT_REGION"],
        )
        self._name = name
        self._client.create_bucket(Bucket=name)

    def list(self, prefix):
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._name, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def download(self, key, path):
        self._client.download_file(self._name, key, path)

    def upload(self, path, key):
        self._client.upload_file(path, self._name, key)


class Gcs:
    """A bucket at fake-gcs-server."""

    def __init__(self, url, name):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        make_bucket(url, name)
        client = Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
        )
        self._bucket = client.bucket(name)

    def list(self, prefix):
        return [blob.name for blob in self._bucket.list_blobs(prefix=prefix)]

    def download(self, key, path):
        self._bucket.blob(key).download_to_filename(path)

    def upload(self, path, key):
        self._bucket.blob(key).upload_from_filename(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    for role, name in NAMES.items():
        write_idx(folder / name, digits(role, 1000 if "train" in role else 200))
    return str(folder)


@pytest.fixture(scope="module")
def local(data, tmp_path_factory):
    """What `idxpipe run` makes on this machine."""
    root = str(tmp_path_factory.mktemp("local"))
    settings = [word for item in SMALL.items() for word in ("--set", "{}={}".format(*item))]
    idxpipe("run", "--data", data, "--root", root, *settings)
    return {
        f"{stage}/{name}": storage.read(f"{root}/artifacts/{stage}/{key}/{name}")
        # Beside the artifacts of a stage are its locks.
        for stage, key, *rest in (n.split("/", 2) for n in storage.list_files(f"{root}/artifacts"))
        for name in rest
    }


def bucket(request, scheme, name):
    if scheme == "gs":
        return Gcs(request.getfixturevalue("fake_gcs"), name)
    return S3(request.getfixturevalue("moto"), name)


def compared(files):
    return {n: data for n, data in files.items() if not any(w in n for w in NOT_REPRODUCIBLE)}


@pytest.mark.parametrize("scheme", ["minio", "s3", "gs"])
def test_the_whole_pipeline_runs_where_only_the_launcher_has_the_secret(
    scheme, request, data, local, tmp_path
):
    store = bucket(request, scheme, f"mlpipeline-{scheme}")
    launcher = Launcher(f"{scheme}://mlpipeline-{scheme}/v2/artifacts", store, tmp_path / "disk")
    launcher.run("pipeline.yaml", data=data, **SMALL)

    found = {}
    for key in store.list("v2/artifacts/"):
        # v2/artifacts/PIPELINE/RUN/TASK/EXECUTION/ARTIFACT
        _, _, _, _, task, _, name = key.split("/", 6)
        store.download(key, str(tmp_path / "object"))
        found[f"{task}/{name}"] = (tmp_path / "object").read_bytes()
    assert compared(found) == compared(local)
    assert launcher.outputs["evaluate"]["artifacts"]["report"].uri.endswith("/report.html")
    assert json.loads(found["evaluate/metrics.json"])["num_examples"] == 200
