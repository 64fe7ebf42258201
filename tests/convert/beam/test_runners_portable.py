"""A portable runner: Beam's own job service and a pool of external workers."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.convert.beam.runs import ROOT, assert_our_error, block_a_shard, run_cli, tree
from tests.emulators import environment, free_port

# One cluster for all.


@contextmanager
def started(folder, module, *words):
    """Run a module of Beam's until the block ends."""
    # The pool starts its workers as `python`.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    with (
        (folder / f"{module}.log").open("wb") as log,
        environment(PYTHONPATH=str(ROOT), PATH=path),
        subprocess.Popen(
            [sys.executable, "-m", f"apache_beam.runners.{module}", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """The options that lead to the job service and its workers."""
    folder = tmp_path_factory.mktemp("portable")
    workers, port_file = free_port(), folder / "port"
    service = ("--port_file", str(port_file), "--staging_dir", str(folder / "staging"))
    with (
        started(folder, "worker.worker_pool_main", f"--service_port={workers}"),
        started(folder, "portability.local_job_service_main", *service) as process,
    ):
        deadline = time.monotonic() + 300
        while not port_file.exists():
            assert process.poll() is None, "the job service ended"
            assert time.monotonic() < deadline, "the job service does not start"
            time.sleep(0.05)
        yield (
            f"--job_endpoint=127.0.0.1:{port_file.read_text()}",
            "--environment_type=EXTERNAL",
            f"--environment_config=127.0.0.1:{workers}",
        )


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_the_same_bytes(mnist, reference, options, tmp_path, kind):
    done = run_cli(mnist[kind], tmp_path, "PortableRunner", *options)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == reference


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner"])
def test_flink_and_spark_by_name_at_a_job_service(mnist, reference, options, tmp_path, runner):
    done = run_cli(mnist["plain"], tmp_path / "pool", runner, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(tmp_path / "pool") == reference
    # Without an environment, a local master's workers are in the process that submits.
    done = run_cli(mnist["plain"], tmp_path / "here", runner, options[0])
    # How far it is is told every ten seconds, if it takes as long.
    said = [line for line in done.stderr.splitlines() if not re.search(r"[\d.,]+/[\d.,]+ MB", line)]
    assert (done.returncode, said) == (0, [])
    assert tree(tmp_path / "here") == reference


def test_what_is_wrong_on_a_worker_is_our_error_here(mnist, options, tmp_path):
    name = block_a_shard(tmp_path)
    done = run_cli(mnist["plain"], tmp_path, "PortableRunner", *options)
    assert_our_error(done, 3, "ends in a folder")
    assert f"{tmp_path}/{name}" in done.stderr
