"""Every runner makes the same bytes; what one misses is said before it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.convert.config import RUNNERS, ConvertConfig
from components.convert.stage import convert
from components.core import storage
from components.core.content import read_chunks
from components.core.errors import SetupError, UsageError
from tests.emulators import free_port

ROOT = Path(__file__).parent.parent.parent
MNIST = [f"data/mnist/t10k-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
SHARDS = 6


def tree(folder) -> dict[str, bytes]:
    return {name: storage.read(f"{folder}/{name}") for name in storage.list_files(str(folder))}


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    """MNIST's test split as it is shipped, and unpacked."""
    folder = tmp_path_factory.mktemp("mnist")
    plain = []
    for name in MNIST:
        plain.append(str(folder / Path(name).name))
        data = b"".join(read_chunks(f"{name}.gz"))
        Path(plain[-1]).write_bytes(data)
    return {"gzip": [f"{name}.gz" for name in MNIST], "plain": plain}


@pytest.fixture(scope="session")
def reference(mnist, tmp_path_factory):
    """What the in-memory runner makes of it."""
    folder = tmp_path_factory.mktemp("reference")
    convert(*mnist["plain"], str(folder), ConvertConfig(num_shards=SHARDS), split="test")
    made = tree(folder)
    assert len(made) == SHARDS + 1
    return made


def run_cli(sources, output, runner, *options, env=None):
    """Run `idxpipe convert` in a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", "convert", "--split", "test"]
    words = ["--images", sources[0], "--labels", sources[1], "--output", str(output)]
    words += ["--num-shards", str(SHARDS), "--runner", runner, "--", *options]
    return subprocess.run(
        [*command, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    )


def convert_here(sources, output, runner, *options):
    config = ConvertConfig(num_shards=SHARDS, runner=runner, beam_options=" ".join(options))
    return convert(*sources, str(output), config, split="test")


def test_all_runners_that_beam_knows_are_known_by_name():
    from apache_beam.options.pipeline_options import StandardOptions

    # Those of its own tests and of notebooks, and other names of DirectRunner.
    others = {"BundleBasedDirectRunner", "SwitchingDirectRunner", "FnApiRunner"}
    others |= {"InteractiveRunner", "TestDirectRunner", "TestDataflowRunner"}
    # Beam ships Dask's, and does not list it.
    assert {*StandardOptions.KNOWN_RUNNER_NAMES, "DaskRunner"} - others == set(RUNNERS)


def test_an_unknown_runner_is_refused_with_the_known_ones(mnist, tmp_path):
    done = run_cli(mnist["gzip"], tmp_path / "out", "NoSuchRunner")
    assert done.returncode == 2
    assert "no such runner" in done.stderr
    assert all(name in done.stderr for name in RUNNERS)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("runner", "options", "error", "problem"),
    [
        ("no.such.Runner", (), SetupError, "the Beam runner failed"),
        ("PortableRunner", (), UsageError, "a portable runner is a job service"),
        ("PortableRunner", ("--job_endpoint=ADDRESS",), SetupError, "nobody answers there"),
        ("FlinkRunner", ("--flink_master=ADDRESS",), SetupError, "nobody answers there"),
        ("FlinkRunner", ("--job_endpoint=ADDRESS",), SetupError, "nobody answers there"),
        ("SparkRunner", ("--spark_master_url=spark://ADDRESS",), SetupError, "nobody answers"),
        ("DaskRunner", ("--dask_client_address=tcp://ADDRESS",), SetupError, "nobody answers"),
        ("FlinkRunner", ("--job_server_java_launcher=no-java",), SetupError, "needs Java"),
        ("SparkRunner", ("--job_server_java_launcher=no-java",), SetupError, "needs Java"),
        ("DataflowRunner", ("--project=p",), UsageError, "cannot reach a file of this machine"),
        ("DaskRunner", ("--no_such_option=1",), UsageError, "unknown or ill-typed Beam option"),
    ],
)
def test_what_cannot_work_ends_at_once_and_costs_nothing(
    mnist, reference, tmp_path, runner, options, error, problem
):
    for name, data in reference.items():
        (tmp_path / name).write_bytes(data)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(error, match=problem):
        convert_here(
            mnist["plain"], tmp_path, runner, *(o.replace("ADDRESS", address) for o in options)
        )
    # Only a runner's own code can fail after the earlier dataset was given up.
    if runner != "no.such.Runner":
        assert tree(tmp_path) == reference


def test_a_runner_whose_package_is_missing_is_refused(mnist, tmp_path, monkeypatch):
    from components.convert import runners

    monkeypatch.setattr(runners, "find_spec", lambda _name: None)
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DataflowRunner")
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DaskRunner")
