"""Every runner makes the same bytes; what one misses is said before it starts."""

import pytest

from idxpipe.components.convert.config import RUNNERS, ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.errors import SetupError, UsageError
from tests.convert.beam.runs import SHARDS, assert_our_error, run_cli, tree
from tests.emulators import deaf_port


def convert_here(sources, output, runner, *options):
    config = ConvertConfig(
        "mnist", num_shards=SHARDS, runner=runner, beam_options=" ".join(options)
    )
    return convert(*sources, str(output), config, split="test")


def test_all_runners_that_beam_knows_are_known_by_name():
    from apache_beam.options.pipeline_options import StandardOptions

    # Those of its own tests and of notebooks, and other names of DirectRunner.
    others = {"BundleBasedDirectRunner", "SwitchingDirectRunner", "FnApiRunner"}
    others |= {"InteractiveRunner", "TestDirectRunner", "TestDataflowRunner", "KafkaStreamsRunner"}
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
        ("DaskRunner", ("--no_such_option=1",), UsageError, "unknown Beam option"),
    ],
)
def test_what_cannot_work_ends_at_once_and_costs_nothing(
    mnist, reference, tmp_path, runner, options, error, problem
):
    for name, data in reference.items():
        (tmp_path / name).write_bytes(data)
    with deaf_port() as port, pytest.raises(error, match=problem):
        given = [option.replace("ADDRESS", f"127.0.0.1:{port}") for option in options]
        convert_here(mnist["plain"], tmp_path, runner, *given)
    # Only a runner's own code can fail after the earlier dataset was given up.
    if runner != "no.such.Runner":
        assert tree(tmp_path) == reference


def test_beams_own_flag_for_the_runner_is_refused(mnist, tmp_path):
    with pytest.raises(UsageError, match="the runner is a parameter of its own") as caught:
        convert_here(mnist["plain"], tmp_path, "DirectRunner", "--runner=DataflowRunner")
    assert caught.value.found == "--runner=DataflowRunner"


def test_a_runner_whose_package_is_missing_is_refused(mnist, tmp_path, monkeypatch):
    from idxpipe.components.convert.beam import runners

    monkeypatch.setattr(runners, "find_spec", lambda _name: None)
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DataflowRunner")
    with pytest.raises(SetupError, match="not installed"):
        convert_here(mnist["plain"], tmp_path, "DaskRunner")
