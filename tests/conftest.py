"""Servers that several tests share; each is started when the first test asks for it."""

import signal

import pytest

from tests.emulators import (
    environment,
    fake_gcs_server,
    gcp_storage_emulator,
    gcs_at,
    make_bucket,
    moto_server,
)

BUCKET = "bucket"

# What a script starts in the background ignores Ctrl-C, by POSIX, and so does all that it starts,
# the commands whose interruption is tested, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory):
    """URL of fake-gcs-server, with one bucket."""
    with fake_gcs_server(tmp_path_factory.mktemp("gcs")) as url:
        make_bucket(url, BUCKET)
        yield url


@pytest.fixture(scope="session")
def other_gcs(tmp_path_factory):
    """URL of gcp-storage-emulator, with one bucket."""
    with gcp_storage_emulator(tmp_path_factory.mktemp("gcs")) as url:
        make_bucket(url, BUCKET)
        yield url


@pytest.fixture(params=["fake_gcs", "other_gcs"])
def gcs(request, tmp_path):
    """A folder of its own on gs://, on each of the emulators."""
    with gcs_at(request.getfixturevalue(request.param)):
        yield f"gs://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def one_gcs(fake_gcs, tmp_path):
    """A folder of its own on gs://, on one emulator: enough where the protocol is not the point."""
    with gcs_at(fake_gcs):
        yield f"gs://{BUCKET}/{tmp_path.name}"


@pytest.fixture(scope="session")
def moto():
    """The environment in which s3:// is moto's server, with one bucket."""
    with moto_server() as values:
        with environment(**values):
            import fsspec

            fsspec.filesystem("s3").mkdir(BUCKET)
        yield values


@pytest.fixture
def s3(moto, tmp_path):
    """A folder of its own on s3://."""
    with environment(**moto):
        yield f"s3://{BUCKET}/{tmp_path.name}"
