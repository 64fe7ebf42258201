"""Beam's runners: what each needs, and how errors come back from its workers."""

import argparse
import json
import logging
import re
import shlex
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    WorkerOptions,
)

from idxpipe.components.convert.beam.worker_package import build_worker_package
from idxpipe.components.convert.config import DIRECT_RUNNER, ConvertConfig
from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.source import STAGING
from idxpipe.components.core import storage
from idxpipe.components.core.errors import FAMILY, IdxpipeError, SetupError, UsageError, installing
from idxpipe.components.core.google.auth import find_credentials
from idxpipe.components.core.narration import say
from idxpipe.components.core.stores.temporary import temporary_folder

_MARK = "idxpipe-error:"
_CONNECT_SECONDS = 5.0
_HELP = ("-h", "--help")
_DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
_JAVA_MASTERS = {
    "FlinkRunner": (FlinkRunnerOptions, "flink_master"),
    "SparkRunner": (SparkRunnerOptions, "spark_master_url"),
}
# Masters that Beam starts itself; its workers are then threads of this process.
# Source: MAGIC_HOST_NAMES in Beam's flink_runner.py, LOCAL_MASTER_PATTERN in its spark_runner.py.
_LOCAL_MASTER = re.compile(r"\[(local|auto)\]|local(\[.+\])?")


def parse_options(config: ConvertConfig) -> PipelineOptions:
    """Parse the Beam options; Beam itself would drop those it does not know.

    Raises:
        SetupError: If the runner's package is not installed.
        UsageError: If an option is unknown or ill-typed.
    """
    if config.runner == "DaskRunner":
        _need("distributed", config.runner, "dask")
        # Importing it is what makes its options known.
        from apache_beam.runners.dask import dask_runner  # noqa: F401
    flags = shlex.split(config.beam_options)
    if not flags:
        return PipelineOptions([])
    if any(flag == "--runner" or flag.startswith("--runner=") for flag in flags):
        raise UsageError(
            "the runner is a parameter of its own",
            where="beam_options",
            found=" ".join(flag for flag in flags if flag.startswith("--runner")),
            remedy="give it as --runner before the --, or to idxpipe run as --set runner=NAME",
        )
    unknown = [flag for flag in flags if flag in _HELP] or _unknown(flags)
    if unknown:
        raise UsageError(
            "unknown Beam option",
            where="beam_options",
            expected="options of the Beam SDK for Python, as --name=value",
            found=" ".join(unknown),
        )
    return PipelineOptions(flags)


def _unknown(flags: list[str]) -> list[str]:
    """Return the words of a command line that are no Beam options.

    Raises:
        UsageError: If one of the others has no value that Beam takes.
    """
    unknown: list[str] = []

    def look(parser: argparse.ArgumentParser) -> None:
        # Else it prints all that there are, and ends the process.
        parser.exit_on_error = False
        unknown.extend(parser.parse_known_args(flags)[1])

    try:
        PipelineOptions(flags).get_all_options(retain_unknown_options=True, add_extra_args_fn=look)
    except argparse.ArgumentError as error:
        raise _ill_typed(error, flags) from None
    return unknown


def _ill_typed(error: argparse.ArgumentError, flags: list[str]) -> UsageError:
    expected, found = error.message.removeprefix("expected "), " ".join(flags)
    # As argparse words what a type's function or a list of choices does not take.
    if match := re.fullmatch(r"invalid (.+) value: (.*)", error.message, re.DOTALL):
        expected, found = f"a value of type {match[1]}", match[2]
    elif match := re.fullmatch(
        r"invalid choice: (.*) \(choose from (.+)\)", error.message, re.DOTALL
    ):
        expected, found = f"one of {match[2]}", match[1]
    return UsageError(
        f"ill-typed Beam option {error.argument_name}",
        where="beam_options",
        expected=expected,
        found=found,
    )


def check_runner(config: ConvertConfig, tasks: list[ShardTask]) -> None:
    """Find out now what Beam would find out after minutes, or never.

    Raises:
        SetupError: If the runner's package, its cluster or credentials are missing.
        UsageError: If an option is unknown, or the workers cannot reach the files.
    """
    options = parse_options(config)
    if config.runner == "DataflowRunner":
        _need("apitools", config.runner, "gcp")
        cloud = options.view_as(GoogleCloudOptions)
        missing = [name for name in ("project", "region") if not getattr(cloud, name)]
        if missing:
            raise UsageError(
                "Dataflow needs to know where to run",
                where="beam_options",
                expected="--project=PROJECT --region=REGION",
                found=f"no --{missing[0]}",
            )
        for task in tasks[:1]:
            _check_remote(task)
        if not cloud.no_auth:
            find_credentials()
    elif config.runner == "DaskRunner":
        from apache_beam.runners.dask.dask_runner import DaskOptions

        _check_answers(options.view_as(DaskOptions).address, "dask_client_address")
    elif config.runner in {"PortableRunner", *_JAVA_MASTERS}:
        _check_job_service(config.runner, options)


def run_on(
    runner: Any,
    build: Callable[[beam.Pipeline], object],
    options: PipelineOptions,
    task: ShardTask,
) -> None:
    """Run a pipeline to its end.

    Args:
        runner: A Beam runner, or the name of one.
        build: Adds the steps to a pipeline.
        options: Its options.
        task: One of the shards.

    Raises:
        IdxpipeError: The error of the first worker that failed.
        SetupError: If the runner itself failed.
        UsageError: If the runner misses an option.
    """
    name = runner if isinstance(runner, str) else DIRECT_RUNNER
    with ExitStack() as stack:
        _set_defaults(name, options, task, stack)
        try:
            pipeline = beam.Pipeline(
                runner=_DASK if name == "DaskRunner" else runner, options=options
            )
            build(pipeline)
            result = pipeline.run()
            if name == "DataflowRunner":
                _say_where(result, options)
            try:
                result.wait_until_finish()
            except KeyboardInterrupt:
                # What the workers read and where they write is about to be given up here.
                result.cancel()
                raise
            finally:
                if name == "DaskRunner":
                    result.client.close()
        except IdxpipeError:
            raise
        except Exception as error:
            raise _translate(error, name) from (None if _MARK in str(error) else error)


def carried(error: IdxpipeError) -> RuntimeError:
    """Return an error as a worker raises it: from another machine, it arrives as text."""
    return RuntimeError(_MARK + json.dumps(error.to_json()))


def _set_defaults(name: str, options: PipelineOptions, task: ShardTask, stack: ExitStack) -> None:
    """Set what the user left open and Beam's own defaults do badly."""
    if name == "DaskRunner":
        from apache_beam.runners.dask.dask_runner import DaskOptions

        dask = options.view_as(DaskOptions)
        if dask.npartitions is None and dask.partition_size is None:
            # By Beam's guess, a hundred shards are one worker's work.
            dask.partition_size = 1
    cloud = options.view_as(GoogleCloudOptions)
    if name == "DataflowRunner" and not cloud.temp_location:
        # Beam would make a bucket for it. This folder goes at the end.
        cloud.temp_location = storage.join(task.output, STAGING, "beam")
    if _wants_package(name, options):
        say(f"{name}: the workers install the conversion's code, as no --setup_file is given")
        folder = stack.enter_context(temporary_folder("workers"))
        package = build_worker_package(folder, task.file_format)
        options.view_as(SetupOptions).extra_packages = [package]


def _wants_package(name: str, options: PipelineOptions) -> bool:
    """Tell whether the workers run in Beam's own container, where idxpipe is not."""
    setup, portable = options.view_as(SetupOptions), options.view_as(PortableOptions)
    given = (
        setup.setup_file
        or setup.extra_packages
        or options.view_as(WorkerOptions).sdk_container_image
        or portable.environment_config
        or portable.environment_options
    )
    containers = portable.environment_type in {None, "DOCKER"}
    if name in _JAVA_MASTERS and not portable.environment_type:
        containers = not _LOCAL_MASTER.fullmatch(_master(name, options))
    return name in {"DataflowRunner", "PortableRunner", *_JAVA_MASTERS} and containers and not given


def _need(module: str, runner: str, extra: str) -> None:
    if not find_spec(module):
        raise SetupError(
            f"Beam's part for {runner} is not installed",
            where=runner,
            remedy=installing(extra),
        )


def _check_remote(task: ShardTask) -> None:
    for role, uri in (
        ("output", task.output),
        ("images", task.images.plain),
        ("labels", task.labels.plain),
    ):
        if storage.is_local(uri):
            raise UsageError(
                "the workers of Dataflow cannot reach a file of this machine",
                where=role,
                expected="gs://BUCKET/...",
                found=uri,
                remedy="copy it there: gcloud storage cp; only .gz sources may be local",
            )


def _check_job_service(runner: str, options: PipelineOptions) -> None:
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint:
        if endpoint != "embed":
            _check_answers(endpoint, "job_endpoint")
        return
    if runner == "PortableRunner":
        raise UsageError(
            "a portable runner is a job service",
            where="beam_options",
            expected="--job_endpoint=HOST:PORT",
            found="none",
        )
    view, name = _JAVA_MASTERS[runner]
    _check_answers(_master(runner, options), name)
    java = options.view_as(JobServerOptions).job_server_java_launcher
    submits = getattr(options.view_as(view), f"{runner[:5].lower()}_submit_uber_jar")
    if not submits and not shutil.which(java):
        raise SetupError(
            f"Beam's job service for {runner} needs Java",
            where=runner,
            expected=f"the command {java}",
            found="none on the path",
            remedy="install a Java runtime, or give --job_endpoint=HOST:PORT of a job service",
        )


def _master(runner: str, options: PipelineOptions) -> str:
    view, name = _JAVA_MASTERS[runner]
    return str(getattr(options.view_as(view), name))


def _check_answers(address: str | None, option: str) -> None:
    """Refuse an address that nobody listens at; what names no host and port is left to Beam."""
    try:
        # Masters have names, too: `[auto]`, `local[*]`, `yarn`.
        parts = urlsplit(address if "://" in (address or "") else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return
    if not host or not port:
        return
    try:
        socket.create_connection((str(host), port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise SetupError(
            "nobody answers there",
            where=f"--{option}={address}",
            expected="a connection",
            found=error.strerror or str(error),
            remedy="start it, or correct the address",
        ) from None


def _say_where(result: Any, options: PipelineOptions) -> None:
    cloud = options.view_as(GoogleCloudOptions)
    say(
        f"Dataflow job {result.job_id()}: https://console.cloud.google.com/dataflow/jobs/"
        f"{cloud.region}/{result.job_id()}?project={cloud.project}"
    )


def _is_not_ours(record: logging.LogRecord) -> bool:
    """Tell whether a record of Beam's log is of something else than a worker's `carried` error."""
    thrown = record.exc_info[1] if record.exc_info else None
    return _MARK not in record.getMessage() and _MARK not in str(thrown)


# They log, with its traceback, what is raised here as an error without one.
for _name in (
    "apache_beam.runners.common",
    "apache_beam.runners.worker.sdk_worker",
    "apache_beam.runners.portability.local_job_service",
    "apache_beam.runners.portability.portable_runner",
    "apache_beam.runners.dataflow.dataflow_runner",
    "apache_beam.runners.portability.fn_api_runner.worker_handlers",
    "root",
):
    logging.getLogger(_name).addFilter(_is_not_ours)


def _translate(error: Exception, runner: str) -> IdxpipeError:
    _, mark, rest = str(error).partition(_MARK)
    if mark:
        fields, _ = json.JSONDecoder().raw_decode(rest)
        return FAMILY[fields.pop("exit_code")](fields.pop("problem"), **fields)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, ValueError) and "validations errors" in str(error):
        return UsageError(
            "the runner wants other options", where="beam_options", found=" ".join(lines[1:])
        )
    return SetupError(
        "the Beam runner failed",
        where=runner,
        found=lines[-1] if lines else type(error).__name__,
        remedy=f"check the runner and its options; {DIRECT_RUNNER} runs on this machine",
    )
