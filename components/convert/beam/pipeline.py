"""The Beam pipeline: a collection of groups of shards. No shuffle of data, no per-image Python."""

import itertools
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
    run_on,
)
from idxpipe.components.convert.config import DIRECT_RUNNER, ConvertConfig
from idxpipe.components.convert.feed import is_fed
from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.shard import Receipt, make_shard
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.events import Meter

__all__ = ["check_runner", "run_pipeline"]

Group = list[ShardTask]


def run_pipeline(tasks: list[ShardTask], config: ConvertConfig, stage: str = "") -> None:
    """Make all shards.

    Args:
        tasks: The shards to make.
        config: Runner and its options.
        stage: Under which name the progress is told, if the workers are in this process.

    Raises:
        IdxpipeError: The error of the first worker that failed.
        SetupError: If the runner itself failed.
        UsageError: If an option is unknown.
    """
    given = parse_options(config)
    runner, threads = _runner(config, given)
    # In this process, what is between two steps takes Beam longer than us a shard of MNIST; where
    # the workers are elsewhere, a group is what one of them does at a time.
    groups = [tasks] if threads else [[task] for task in tasks]

    def build(pipeline: beam.Pipeline) -> None:
        shards = pipeline | "Shards" >> beam.Create(groups, reshuffle=not threads)
        _ = shards | "MakeShards" >> beam.ParDo(MakeShards(threads or 1, stage if threads else ""))

    run_on(runner, build, given, tasks[0])


def _runner(config: ConvertConfig, options: PipelineOptions) -> tuple[Any, int]:
    """Return Beam's runner, and the threads that make shards in this process, if any do."""
    if config.runner != DIRECT_RUNNER:
        return config.runner, 0
    # Named explicitly: Beam's own DirectRunner first tries to download Prism, and hangs where the
    # network drops packets.
    runner = FnApiRunner()
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "in_memory":
        return runner, 0
    # Beam's own default is 1.
    flags = shlex.split(config.beam_options)
    asked = any(flag.startswith("--direct_num_workers") for flag in flags)
    # Half of them wait until the disk has what they wrote.
    threads = (direct.direct_num_workers if asked else 0) or 2 * (os.cpu_count() or 1)
    # The threads are those of `MakeShards`: Beam's own talk to each other over gRPC.
    direct.direct_num_workers = 1
    return runner, threads


class MakeShards(beam.DoFn):  # type: ignore[misc]
    """Makes the shards that an element describes; counts examples and bytes.

    Args:
        threads: How many shards are made at a time, as most of it runs outside Python's lock.
        stage: Under which name the progress is told; empty tells nobody.
    """

    def __init__(self, threads: int, stage: str) -> None:
        self._threads = threads
        self._stage = stage
        # Named for the page of a Dataflow job.
        self._shards = Metrics.counter("idxpipe", "shards")
        self._examples = Metrics.counter("idxpipe", "examples")
        self._bytes = Metrics.counter("idxpipe", "bytes_written")

    def process(self, element: Group) -> Iterator[str]:
        """Make a group of shards and yield their names."""
        crew = _Crew(element, self._stage)
        # A feed gives its bytes in their order.
        threads = 1 if any(is_fed(task.images.plain) for task in element) else self._threads
        with ThreadPoolExecutor(threads) as pool:
            made = [pool.submit(crew.make, task) for task in element]
        if crew.failed:
            raise carried(crew.failed) from None
        # Beam's counters belong to this thread.
        for future in made:
            receipt = future.result()
            self._shards.inc()
            self._examples.inc(receipt.shard.examples)
            self._bytes.inc(receipt.shard.bytes)
            yield receipt.shard.name


class _Crew:
    """The threads that make a group of shards: what they have done, and the error that ends it."""

    def __init__(self, group: Group, stage: str) -> None:
        size = sum((task.stop - task.start) * task.images.header.record_bytes for task in group)
        self._meter = Meter(stage, size / 1e6, "MB") if stage else None
        self._count = len(group)
        self._made = itertools.count(1)
        self.failed: IdxpipeError | None = None

    def make(self, task: ShardTask) -> Receipt:
        if self.failed:
            raise self.failed
        try:
            receipt = make_shard(task, self._advance)
        except IdxpipeError as error:
            self.failed = self.failed or error
            raise
        if self._meter:
            self._meter.advance(shards=f"{next(self._made)} of {self._count}")
        return receipt

    def _advance(self, _examples: int, bytes_read: int) -> None:
        if self._meter:
            self._meter.advance(bytes_read / 1e6)
