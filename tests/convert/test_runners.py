"""Every runner makes the same bytes; what one misses is said before it starts."""

import socket

import pytest

from idxpipe.components.convert.config import RUNNERS, ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.errors import SetupError, UsageError
from tests.convert.runs import SHARDS, assert_our_error, run_cli, tree
from tests.emulators import free_port


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
    assert_our_error(done, 2, "no such runner")
    assert all(name in done.stderr for name in RUNNERS)


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
        (
            "DataflowRunner",
            ("--project=p", "--region=r"),
            UsageError,
            "cannot reach a file of this machine",
        ),
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


@pytest.mark.parametrize(("runner", "option"), [("FlinkRunner", "flink"), ("SparkRunner", "spark")])
@pytest.mark.parametrize("listens", [True, False], ids=["silent", "refused"])
def test_a_job_server_that_cannot_be_fetched_is_not_waited_for(
    mnist, reference, tmp_path, monkeypatch, runner, option, listens
):
    from idxpipe.components.convert.beam import runners

    monkeypatch.setattr(runners, "_FETCH_SECONDS", 0.2)
    output = tmp_path / "out"
    output.mkdir()
    for name, data in reference.items():
        (output / name).write_bytes(data)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        jar = f"http://127.0.0.1:{server.getsockname()[1]}/server.jar"
        given = (f"--{option}_job_server_jar={jar}", f"--jar_cache_dir={tmp_path}/jars")
        with pytest.raises(SetupError, match=f"{runner}: Beam's job server cannot be fetched"):
            convert_here(mnist["plain"], output, runner, *given)
    assert tree(output) == reference
    assert socket.getdefaulttimeout() is None


def test_a_runner_whose_package_is_missing_is_refused(mnist, tmp_path, monkeypatch):
    from idxpipe.components.convert.beam import runners

    monkeypatch.setattr(runners, "find_spec", lambda _name: None)
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DataflowRunner")
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DaskRunner")
