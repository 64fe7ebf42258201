"""Dataflow: the job as its service gets it, run from what was staged for it."""

import json
import shutil
import signal
import sys
import tarfile
import time
from importlib.metadata import PathDistribution

import pytest
from packaging.requirements import Requirement

from idxpipe import __version__
from idxpipe.components.convert.beam.worker_package import worker_requirements
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import MANIFEST
from idxpipe.components.core.errors import SetupError
from tests.convert.beam.runs import ROOT, SHARDS, assert_our_error, run_cli, start_cli, tree
from tests.emulators import environment
from tests.fakes.dataflow import FakeDataflow


@pytest.fixture
def service(one_gcs, tmp_path):
    with FakeDataflow(folder=tmp_path / "jobs") as fake:
        (tmp_path / "key.json").write_text(json.dumps(fake.key_file()))
        yield fake


@pytest.fixture
def sources(mnist, one_gcs):
    """The unpacked files, in the bucket."""
    uris = [f"{one_gcs}/{role}" for role in ("images", "labels")]
    for path, uri in zip(mnist["plain"], uris, strict=True):
        with open(path, "rb") as stream:
            storage.write(uri, stream.read())
    return uris


def submit(service, sources, output, *more, run=run_cli, project=True):
    options = [f"--dataflow_endpoint={service.endpoint}", f"--region={service.region}", *more]
    if project:
        options.append(f"--project={service.project}")
    key = {"GOOGLE_APPLICATION_CREDENTIALS": str(service.folder.parent / "key.json")}
    return run(sources, output, "DataflowRunner", *options, env=key)


def only_job(service):
    (job,) = service.jobs.values()
    return job, service.home(job["id"])


def installed(home) -> PathDistribution:
    (metadata,) = (home / "packages").glob("*.dist-info")
    return PathDistribution(metadata)


def required(package) -> set[Requirement]:
    """Return what is installed with it if no extra is asked for."""
    found = map(Requirement, package.requires)
    return {r for r in found if not r.marker or r.marker.evaluate({"extra": ""})}


def test_the_same_bytes_from_what_was_staged(mnist, reference, service, one_gcs):
    done = submit(service, mnist["gzip"], f"{one_gcs}/out", "--machine_type=n2-standard-4")
    assert done.returncode == 0, done.stderr
    # Nothing is left of what was staged and unpacked.
    assert tree(f"{one_gcs}/out") == reference
    job, home = only_job(service)
    # The package, the job; and what google-auth says of a key without a name, and a slow machine.
    others = ("Access Boundary", "waiting for ")
    said = [line for line in done.stderr.splitlines() if not any(word in line for word in others)]
    assert len(said) == 2, done.stderr
    assert f"https://console.cloud.google.com/dataflow/jobs/us-central1/{job['id']}" in done.stderr
    (pool,) = job["environment"]["workerPools"]
    assert pool["machineType"] == "n2-standard-4"
    staged = {package["name"] for package in pool["packages"]}
    assert staged == {f"idxpipe_worker-{__version__}.tar.gz", "extra_packages.txt"}
    assert f"{one_gcs[5:]}/out/_staging/" in pool["packages"][0]["location"]
    counters = json.loads((home / "counters.json").read_text())
    assert counters["shards"] == SHARDS
    assert counters["examples"] == 10_000
    assert counters["bytes_written"] == sum(
        len(content) for name, content in reference.items() if ".tfrecord-" in name
    )
    # They install the conversion alone.
    package = installed(home)
    assert package.name == "idxpipe-worker"
    assert required(package) == {Requirement(line) for line in worker_requirements()}
    parts = [file.parts for file in package.files if file.suffix == ".py"]
    assert {names[:3] for names in parts if len(names) > 3} == {
        ("idxpipe", "components", "convert"),
        ("idxpipe", "components", "core"),
    }


def test_the_graph_is_shards_spread_over_the_workers(reference, service, sources, one_gcs):
    from apache_beam.portability.api import beam_runner_api_pb2

    assert submit(service, sources, f"{one_gcs}/out").returncode == 0
    assert tree(f"{one_gcs}/out") == reference
    _, home = only_job(service)
    pipeline = beam_runner_api_pb2.Pipeline.FromString((home / "pipeline.pb").read_bytes())
    transforms = pipeline.components.transforms
    steps = [transforms[name] for name in pipeline.root_transform_ids]
    steps = [transforms[name] for step in steps for name in step.subtransforms] or steps
    assert [step.unique_name for step in steps] == ["Shards", "MakeShards"]
    create, make = steps
    # Without it, the service would fuse both steps and make all shards on one worker.
    assert any(transforms[name].spec.urn == "beam:transform:reshuffle:v1" for name in transforms)
    (given,) = make.inputs.values()
    assert given in create.outputs.values()
    coder = pipeline.components.coders[pipeline.components.pcollections[given].coder_id]
    assert coder.spec.urn == "beam:coder:pickled_python:v1"
    (environment_,) = pipeline.components.environments.values()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"beam_python{python}_sdk:2.77".encode() in environment_.payload


def test_a_setup_file_of_the_user_is_taken(reference, service, sources, one_gcs, tmp_path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("components", "pipeline", "idxpipe", "data"):
        shutil.copytree(ROOT / name, checkout / name, symlinks=True)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, checkout)
    given = f"--setup_file={checkout}/setup.py"
    done = submit(service, sources, f"{one_gcs}/out", given)
    assert done.returncode == 0, done.stderr
    assert tree(f"{one_gcs}/out") == reference
    _, home = only_job(service)
    package = installed(home)
    assert package.name == "idxpipe"
    # It is the whole distribution, which also draws.
    others = required(package) - {Requirement(line) for line in worker_requirements()}
    assert {requirement.name for requirement in others} == {"rich", "Jinja2", "argcomplete"}
    with tarfile.open(home / "workflow.tar.gz") as archive:
        assert not [name for name in archive.getnames() if "/data/" in name]
        assert sum(member.size for member in archive) < 5_000_000


def test_a_worker_that_finds_bad_data_is_our_error_here(service, sources, one_gcs):
    images = storage.read(sources[0])
    service.meanwhile = lambda: storage.write(sources[0], images[:-1])
    done = submit(service, sources, f"{one_gcs}/out")
    assert_our_error(done, 3, "file became shorter while it was read")
    assert sources[0] in done.stderr
    assert not storage.exists(f"{one_gcs}/out/{MANIFEST}")


def test_a_job_that_fails_by_itself_is_said_in_a_line(service, sources, one_gcs):
    service.meanwhile = lambda: storage.delete(f"{one_gcs}/out/_staging/beam")
    done = submit(service, sources, f"{one_gcs}/out")
    assert_our_error(done, 5, "the Beam runner failed")
    assert "found:    urllib.error.HTTPError: HTTP Error 404" in done.stderr
    (job,) = service.jobs.values()
    assert job["currentState"] == "JOB_STATE_FAILED"


def test_a_job_that_is_refused_is_said_in_a_line(service, sources, one_gcs):
    done = submit(service, sources, f"{one_gcs}/out", "--project=not-ours", project=False)
    assert_our_error(done, 5, "the Beam runner failed")
    assert "Current user has no access to not-ours" in done.stderr


def test_an_interrupted_conversion_cancels_its_job(service, sources, one_gcs):
    service.hold = True
    process = submit(service, sources, f"{one_gcs}/out", run=start_cli)
    deadline = time.monotonic() + 300
    while not any(request.path.endswith("/messages") for request in service.requests):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    job, _ = only_job(service)
    assert job["currentState"] == "JOB_STATE_CANCELLED"
    assert not [name for name in storage.list_files(f"{one_gcs}/out") if "_staging" in name]


def test_a_missing_option_is_a_usage_error(service, sources, one_gcs):
    done = submit(service, sources, f"{one_gcs}/out", project=False)
    assert_our_error(done, 2, "Dataflow needs to know where to run")
    assert "no --project" in done.stderr
    assert not service.jobs


def test_without_a_login_it_is_said_at_once(sources, one_gcs, tmp_path):
    config = ConvertConfig(runner="DataflowRunner", beam_options="--project=p --region=r")
    with (
        environment(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json")),
        pytest.raises(SetupError, match="no usable Google credentials"),
    ):
        convert(*sources, f"{one_gcs}/out", config)
