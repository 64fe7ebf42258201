"""Servers that several tests share; each is started when the first test asks for it."""

import datetime
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.core.google import rest
from tests import tally
from tests.emulators import (
    ABSENT,
    environment,
    fake_gcs_server,
    gcp_storage_emulator,
    gcs_at,
    lean_path,
    make_bucket,
    moto_server,
)

BUCKET = "bucket"
SOURCES = (
    *(
        "setup.py",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "NOTICE",
        "MANIFEST.in",
    ),
    *("requirements.lock", "pipeline.yaml", "idxpipe", "docs", "data"),
)

# What a script starts in the background ignores Ctrl-C, by POSIX, and so does all that it starts,
# the commands whose interruption is tested, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Begun first, the longest before all, so that no worker is left alone with one of them at the end.
LONG = (
    "end_to_end/test_local.py",
    "train/test_kills.py",
    "convert/test_kills.py",
    "end_to_end/",
    "pipeline/test_api.py",
    "pipeline/vertex/test_sdk2.py",
    "train/test_training.py",
    "train/test_processes.py",
    "pipeline/foreign/",
    "convert/beam/",
    "test_packaging.py",
    "core/idx/test_fuzz.py",
)


# Load TensorFlow or Beam, start servers or install packages: all that `make check` leaves out.
HEAVY = (
    "convert/beam/",
    "convert/test_export.py",
    "convert/test_kills.py",
    "convert/test_options.py",
    "convert/test_people.py",
    "convert/test_publish.py",
    "convert/test_records.py",
    "convert/test_stage.py",
    "convert/test_tfds.py",
    "core/dataset/test_examples.py",
    "core/dataset/test_staging.py",
    "core/dataset/test_tfrecord",
    "core/google/test_grpc_address.py",
    "core/idx/test_fuzz.py",
    "core/stores/test_fsspec_store.py",
    "core/stores/test_gcs",
    "core/stores/test_web.py",
    "core/test_artifacts.py",
    "core/integrity/test_digest.py",
    "core/test_transfer.py",
    "end_to_end/",
    "evaluate/",
    "intake/test_interrupted.py",
    "pipeline/cli/services/test_on_vertex.py",
    "pipeline/cli/services/test_schedule.py",
    "pipeline/cli/services/test_submit",
    "pipeline/cli/services/test_watch.py",
    "pipeline/cli/stages/test_convert.py",
    "pipeline/cli/stages/test_records.py",
    "pipeline/foreign/",
    "pipeline/kubeflow/",
    "pipeline/local/test_checksums.py",
    "pipeline/preflight/test_data.py",
    "pipeline/test_api.py",
    "pipeline/runs/test_trainings.py",
    "pipeline/tpu/",
    "pipeline/vertex/",
    "register/",
    "test_images.py",
    "test_oracles.py",
    "test_packaging.py",
    "train/",
)


# Say nothing of which lines are tested that the tests of the modules do not, and take twice as long
# where each line is counted.
UNMEASURED = (
    "convert/test_kills.py",
    "core/idx/test_fuzz.py",
    "end_to_end/",
    "fuzz/",
    "intake/test_fuzz.py",
    "pipeline/foreign/",
    "train/test_kills.py",
)


def pytest_addoption(parser):
    parser.addoption("--light", action="store_true", help="leave out HEAVY of tests/conftest.py")


def pytest_ignore_collect(collection_path, config):
    name = collection_path.relative_to(Path(__file__).parent).as_posix()
    name += "/" if collection_path.is_dir() else ""
    return True if config.getoption("light") and name.startswith(HEAVY) else None


def pytest_collection_finish(session):
    loaded = sys.modules.keys() & {"tensorflow", "apache_beam"}
    if session.config.getoption("light") and loaded:
        raise pytest.UsageError(f"HEAVY lacks a file that imports {loaded}")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(UNMEASURED):
            item.add_marker("no_cover")

    def rank(item):
        name = item.nodeid.removeprefix("tests/")
        return next((n for n, part in enumerate(LONG) if name.startswith(part)), len(LONG))

    items.sort(key=rank)


def pytest_terminal_summary(terminalreporter):
    for line in tally.table() if os.environ.get("IDXPIPE_CHAOS") else ():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _lean(tmp_path_factory):
    """Child processes have the packages of a user, not those of the tests too; and no user's cache.

    They load TensorFlow in half the time. None of them is measured, which would cost as much again.
    """
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    with environment(PYTHONPATH=lean_path(), XDG_CACHE_HOME=cache):
        yield


@pytest.fixture(scope="module")
def with_jax():
    """Child processes find JAX, the compiler of tpu-check, all the same."""
    path = [part for part in os.environ["PYTHONPATH"].split(os.pathsep) if part != ABSENT]
    with environment(PYTHONPATH=os.pathsep.join(path)):
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Folder of a wheel and a source distribution."""
    source = tmp_path_factory.mktemp("source") / "idxpipe"
    source.mkdir()
    for name in SOURCES:
        (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, source / name)
    (source / "dist").mkdir()
    code = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return source / "dist"


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and certificate of localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in (
        "GOOGLE_CLOUD_PROJECT",
        "CLOUD_ML_REGION",
        "GOOGLE_CLOUD_REGION",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "IDXPIPE_VERTEX_ENDPOINT",
        "KFP_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(rest, "PAUSE_SECONDS", 0.01)
