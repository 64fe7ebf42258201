"""Doctor's look at the data, on a real emulator of Cloud Storage."""

import gzip

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.pipeline.preflight import data
from idxpipe.pipeline.preflight.check import Status
from idxpipe.pipeline.preflight.data import check_data
from tests.emulators import environment, fake_gcs_server, make_bucket
from tests.idxfiles import write_data_set

FOLDER = "gs://data-bucket/mnist"


def look(data="", **files):
    return check_data(DataConfig(data=data, **files))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with (
        fake_gcs_server(tmp_path_factory.mktemp("gcs")) as url,
        environment(STORAGE_EMULATOR_HOST=url),
    ):
        make_bucket(url, "data-bucket")
        yield


@pytest.fixture
def files(bucket, tmp_path):
    """A data set in the bucket, plain; returns the local copies by name."""
    write_data_set(tmp_path)
    storage.delete(FOLDER)
    for path in tmp_path.iterdir():
        storage.write(f"{FOLDER}/{path.name}", path.read_bytes())
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_in_order(files):
    check = look(FOLDER)
    assert check.status is Status.OK, check
    assert "60 + " in check.found
    assert check.found.count("-") >= 4


def test_compressed_files_are_unpacked_for_the_fingerprint(files, monkeypatch):
    plain = look(FOLDER)
    for name, content in files.items():
        storage.write(f"{FOLDER}/{name}.gz", gzip.compress(content))
        storage.delete(f"{FOLDER}/{name}")
    assert look(FOLDER) == plain
    monkeypatch.setattr(data, "SMALL_BYTES", 10)
    large = look(FOLDER)
    assert large.status is Status.OK
    assert "not taken" in large.found


def test_a_missing_file(files):
    storage.delete(f"{FOLDER}/t10k-labels-idx1-ubyte")
    check = look(FOLDER)
    assert check.status is Status.FAIL
    assert "no test labels file here" in check.found
    assert check.fix == f"idxpipe validate --data {FOLDER}"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("train-images-idx3-ubyte", b"<html>404", "not an IDX file"),
        ("train-images-idx3-ubyte", None, "cut short"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\1\5", "differ in number"),
    ],
)
def test_a_damaged_file(files, name, content, found):
    storage.write(f"{FOLDER}/{name}", content or files[name][:-1])
    check = look(FOLDER)
    assert check.status is Status.FAIL
    assert found in check.found


def test_a_bucket_that_is_not_there(bucket):
    check = look("gs://no-such-bucket/mnist")
    assert check.status is Status.FAIL
    assert "no such bucket" in check.found
    assert "gcloud storage buckets create" in check.fix


def test_local_data_cannot_be_read_by_vertex():
    check = look("data/mnist")
    assert check.status is Status.FAIL
    assert check.fix == "gcloud storage cp -r data/mnist gs://BUCKET/data"


def test_files_named_one_by_one(files):
    named = {
        "train_images": "train-images-idx3-ubyte",
        "train_labels": "train-labels-idx1-ubyte",
        "test_images": "t10k-images-idx3-ubyte",
        "test_labels": "t10k-labels-idx1-ubyte",
    }
    uris = {role: f"{FOLDER}/{name}" for role, name in named.items()}
    check = look(**uris)
    assert check.status is Status.OK
    assert check.found == look(FOLDER).found
    check = look(**uris | {"test_labels": f"{FOLDER}/nothing"})
    assert check.status is Status.FAIL
    assert f"--test-labels {FOLDER}/nothing" in check.fix
