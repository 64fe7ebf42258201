"""The Beam pipeline: a collection of shards, each made by one worker. No shuffle, no grouping."""

import dataclasses
import os
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from idxpipe.components.convert.beam.runners import (
    carried,
    check_runner,
    parse_options,
    run_elsewhere,
)
from idxpipe.components.convert.config import DIRECT_RUNNER, ConvertConfig
from idxpipe.components.convert.feed import is_fed
from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.progress import Progress
from idxpipe.components.convert.shard import Receipt, make_shard
from idxpipe.components.core.errors import IdxpipeError

__all__ = ["check_runner", "run_pipeline"]


def run_pipeline(tasks: list[ShardTask], config: ConvertConfig, progress: Progress) -> None:
    """Make all shards.

    Args:
        tasks: The shards to make.
        config: Runner and its options.
        progress: Told what is done, where the workers are in this process.

    Raises:
        IdxpipeError: The error of the first worker that failed.
        SetupError: If the runner itself failed.
        UsageError: If an option is unknown.
    """
    given = parse_options(config)
    if config.runner != DIRECT_RUNNER:
        _run_elsewhere(tasks, config.runner, given)
        return
    direct = given.view_as(DirectOptions)
    # Beam's own default is 1.
    flags = shlex.split(config.beam_options)
    asked = any(flag.startswith("--direct_num_workers") for flag in flags)
    # Half of them wait until the disk has what they wrote.
    threads = (direct.direct_num_workers if asked else 0) or 2 * (os.cpu_count() or 1)
    if direct.direct_running_mode != "in_memory":
        _run_elsewhere(tasks, FnApiRunner(), given)
    else:
        _run_here(tasks, given, threads, progress)


def _run_here(
    tasks: list[ShardTask], options: PipelineOptions, threads: int, progress: Progress
) -> None:
    direct = options.view_as(DirectOptions)
    # The threads are those of `MakeShardsHere`: Beam's own talk to each other over gRPC.
    direct.direct_num_workers = 1
    here = _Here(tasks, threads, progress)
    key = str(id(here))
    _running[key] = here
    try:
        # Named explicitly: Beam's own DirectRunner first tries to download Prism, and hangs where
        # the network drops packets.
        pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
        # One element for all shards: they do not leave this process, and each step more takes Beam
        # half as long as it takes us to convert MNIST.
        _ = pipeline | beam.Impulse() | "MakeShards" >> beam.ParDo(MakeShardsHere(key))
        pipeline.run().wait_until_finish()
    finally:
        del _running[key]
    if here.failures:
        raise here.failures[0]


def _run_elsewhere(tasks: list[ShardTask], runner: Any, options: PipelineOptions) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        shards = pipeline | "Shards" >> beam.Create(tasks, reshuffle=True)
        _ = shards | "MakeShard" >> beam.ParDo(MakeShard())

    run_elsewhere(build, runner, options, tasks[0])


class MakeShard(beam.DoFn):  # type: ignore[misc]
    """Makes the shard that an element describes; counts examples and bytes."""

    def __init__(self) -> None:
        self._counters = Counters()

    def process(self, element: ShardTask) -> Iterator[str]:
        """Make one shard and yield its name."""
        try:
            receipt = make_shard(element)
        except IdxpipeError as error:
            raise carried(error) from None
        self._counters.add(receipt)
        yield element.name


class MakeShardsHere(beam.DoFn):  # type: ignore[misc]
    """Makes shards in this process, several at a time, as most of it runs outside Python's lock.

    Args:
        key: Which of `_running` it belongs to; Beam copies what it is given.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._counters = Counters()

    def process(self, _: bytes) -> None:
        """Make all shards; count them here, where Beam's counters belong to this thread."""
        here = _running[self._key]
        fed = any(is_fed(task.images) for task in here.tasks)
        with ThreadPoolExecutor(1 if fed else here.threads) as pool:
            made = [pool.submit(_make, task, here) for task in here.tasks]
        for receipt in made:
            try:
                self._counters.add(receipt.result())
            except IdxpipeError as error:
                # Raised outside: Beam would print a traceback for what is not a defect.
                here.failures.append(error)


def _make(task: ShardTask, here: "_Here") -> Receipt:
    if here.failed:
        raise here.failed
    try:
        receipt = make_shard(task, here.progress.advance)
    except IdxpipeError as error:
        here.failed = error
        raise
    here.progress.shard_done()
    return receipt


class Counters:
    """Beam's counters, named for the page of a Dataflow job."""

    def __init__(self) -> None:
        self._shards = Metrics.counter("idxpipe", "shards")
        self._examples = Metrics.counter("idxpipe", "examples")
        self._bytes = Metrics.counter("idxpipe", "bytes_written")

    def add(self, receipt: Receipt) -> None:
        """Count one finished shard."""
        self._shards.inc()
        self._examples.inc(receipt.shard.examples)
        self._bytes.inc(receipt.shard.bytes)


@dataclasses.dataclass
class _Here:
    """What the DoFn of a run in this process shares with whoever waits for it."""

    tasks: list[ShardTask]
    threads: int
    progress: Progress
    failures: list[IdxpipeError] = dataclasses.field(default_factory=list)
    failed: IdxpipeError | None = None


_running: dict[str, _Here] = {}
