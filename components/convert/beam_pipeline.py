"""The Beam pipeline: a collection of shards, each made by one worker. No shuffle, no grouping."""

import json
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from components.convert.config import DIRECT_RUNNER
from components.convert.plan import ShardTask
from components.convert.shard import make_shard
from components.core.errors import (
    FAMILY,
    IdxpipeError,
    SetupError,
    UsageError,
)

_MARK = "idxpipe-error:"
_failures: list[IdxpipeError] = []


def run_pipeline(tasks: list[ShardTask], runner: str, options: str) -> None:
    """Make all shards.

    Args:
        tasks: The shards to make.
        runner: Name of a Beam runner, as `--runner` takes it.
        options: Further Beam options, as on a command line.

    Raises:
        IdxpipeError: The error of the first worker that failed.
        SetupError: If the runner itself failed.
        UsageError: If an option is unknown.
    """
    flags = shlex.split(options)
    if runner != DIRECT_RUNNER:
        _run_elsewhere(tasks, runner, _options(flags))
        return
    # Threads, because the work is done outside Python's lock.
    threads = ["--direct_running_mode=multi_threading", "--direct_num_workers=0"]
    given = _options([*threads, *flags])
    if given.view_as(DirectOptions).direct_running_mode == "multi_processing":
        _run_elsewhere(tasks, FnApiRunner(), given)
    else:
        _run_here(tasks, given)


def _run_here(tasks: list[ShardTask], options: PipelineOptions) -> None:
    # Named explicitly: Beam's own DirectRunner first tries to download Prism, and hangs where the
    # network drops packets.
    _failures.clear()
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    _build(pipeline, tasks, in_process=True)
    pipeline.run().wait_until_finish()
    if _failures:
        raise _failures[0]


def _run_elsewhere(tasks: list[ShardTask], runner: Any, options: PipelineOptions) -> None:
    if "dataflow" in str(runner).lower() and not find_spec("apitools"):
        # Beam itself would find out after minutes of looking for credentials.
        raise SetupError(
            "Beam's part for Google Cloud is not installed",
            where=runner,
            remedy="pip install 'apache-beam[gcp]' in the version of requirements.lock",
        )
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
        _build(pipeline, tasks, in_process=False)
        pipeline.run().wait_until_finish()
    except IdxpipeError:
        raise
    except Exception as error:
        raise _translate(error, runner if isinstance(runner, str) else DIRECT_RUNNER) from error


def _build(pipeline: Any, tasks: list[ShardTask], in_process: bool) -> None:
    shards = pipeline | "Shards" >> beam.Create(tasks, reshuffle=True)
    _ = shards | "MakeShard" >> beam.ParDo(MakeShard(in_process))


class MakeShard(beam.DoFn):  # type: ignore[misc]
    """Makes the shard that an element describes; counts examples and bytes.

    Args:
        in_process: Whether it runs in the process that waits for it.
    """

    def __init__(self, in_process: bool) -> None:
        self._in_process = in_process
        self._examples = Metrics.counter("idxpipe", "examples")
        self._bytes = Metrics.counter("idxpipe", "bytes_written")

    def process(self, element: ShardTask) -> Iterator[str]:
        """Make one shard and yield its name."""
        try:
            receipt = make_shard(element)
        except IdxpipeError as error:
            if self._in_process:
                # Beam would print a traceback for what is not a defect.
                _failures.append(error)
                return
            # From another machine, an exception arrives as text.
            raise RuntimeError(_MARK + json.dumps(error.to_json())) from None
        self._examples.inc(receipt.shard.examples)
        self._bytes.inc(receipt.shard.bytes)
        yield element.name


def _options(flags: list[str]) -> PipelineOptions:
    """Parse Beam options; Beam itself would drop those it does not know."""
    unknown: list[str] = []
    options = PipelineOptions(flags)
    try:
        options.get_all_options(
            retain_unknown_options=True,
            add_extra_args_fn=lambda parser: unknown.extend(parser.parse_known_args(flags)[1]),
        )
    except SystemExit:
        unknown = flags
    if unknown:
        raise UsageError(
            "unknown or ill-typed Beam option",
            where="beam_options",
            expected="options of the Beam SDK for Python, as --name=value",
            found=" ".join(unknown),
        )
    return options


def _translate(error: Exception, runner: str) -> IdxpipeError:
    found = re.search(re.escape(_MARK) + r"(\{.*\})", str(error))
    if found:
        fields = json.loads(found[1])
        return FAMILY[fields.pop("exit_code")](fields.pop("problem"), **fields)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return SetupError(
        "the Beam runner failed",
        where=runner,
        found=lines[-1] if lines else type(error).__name__,
        remedy=f"check the runner and its options; {DIRECT_RUNNER} runs on this machine",
    )
