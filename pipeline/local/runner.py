"""Executes a compiled pipeline on this machine, with cache and resume."""

import queue
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from graphlib import TopologicalSorter
from types import FrameType
from typing import Any

from idxpipe.components.core import host
from idxpipe.components.core.errors import UsageError, meant
from idxpipe.components.core.narration import end_waits, say
from idxpipe.pipeline import state
from idxpipe.pipeline.local.process import GRACE_SECONDS, Processes
from idxpipe.pipeline.local.reasons import History
from idxpipe.pipeline.local.task import Run, execute
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.graph import Importer, Pipeline, require_here, require_plain
from idxpipe.pipeline.state import Earlier, Ledger, Progress, RunRecord, Status, TaskRecord, silent

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    pipeline: Pipeline,
    parameters: Mapping[str, Any],
    root: str,
    *,
    cache: bool = True,
    verify: bool = False,
    force: frozenset[str] = frozenset(),
    earlier: Earlier | None = None,
    progress: Progress = silent,
    jobs: int | None = None,
    keep_going: bool = False,
    grace: float = GRACE_SECONDS,
) -> RunRecord:
    """Execute every task of a pipeline.

    Args:
        pipeline: What to run.
        parameters: Typed values of its parameters; defaults stand in for missing ones.
        root: Folder of all runs and their artifacts.
        cache: Take unchanged tasks from earlier runs.
        verify: Hash what they made before it is taken.
        force: Tasks to run even when they are unchanged.
        earlier: The run that this one goes on from.
        progress: Called with a task's record when it starts, waits or ends; from any thread.
        jobs: How many tasks may run side by side; by default one per CPU.
        keep_going: After a failure, still run the tasks that do not need the one that failed.
        grace: Seconds that tasks have to end themselves when the run is cancelled.

    Returns:
        The record: succeeded, failed or cancelled. `failure.error_of` tells what to raise.

    Raises:
        UsageError: Before anything starts, if the pipeline, a parameter, `force` or `jobs` cannot
            be.
        SetupError: If `root` cannot be written.
    """
    values = _checked(pipeline, parameters, force, jobs)
    root = state.absolute(root)
    record = RunRecord(
        run_id=state.new_run_id(),
        root=root,
        pipeline=pipeline.name,
        digest=pipeline.digest,
        parameters=values,
        started=state.now(),
        earlier=earlier.record.run_id if earlier else None,
        whole=earlier.whole.digest if earlier else None,
        tasks=_first_records(pipeline, earlier),
    )
    files = {"pipeline.yaml": pipeline.source}
    if earlier:
        files["whole.yaml"] = earlier.whole.source
    started = time.monotonic()
    with Ledger(record, files) as ledger:

        def report(task: TaskRecord, note: str) -> None:
            ledger.put(task)
            progress(task, note)

        shared = Run(
            run_id=record.run_id,
            root=root,
            pipeline=pipeline.name,
            parameters=values,
            cache=cache,
            verify=verify,
            force=force,
            processes=Processes(grace),
            report=report,
            history=History(root, record.run_id),
        )
        at_once = jobs or host.cpus()
        _schedule(pipeline, shared, ledger, at_once, keep_going=keep_going)
        status = _status(pipeline, ledger.record)
        return ledger.close(status, round(time.monotonic() - started, 3))


def _checked(
    pipeline: Pipeline, parameters: Mapping[str, Any], force: frozenset[str], jobs: int | None
) -> dict[str, Any]:
    """Return the values of all parameters, if the pipeline can be run so."""
    require_plain(pipeline)
    require_here(pipeline)
    values = params.resolve(pipeline.parameters, values=parameters)
    unknown = sorted(force - pipeline.tasks.keys())
    if unknown:
        raise UsageError(
            "no such stage",
            where=pipeline.name,
            expected="some of " + ", ".join(pipeline.stages),
            found=", ".join(unknown),
            remedy=meant(unknown[0], pipeline.stages),
        )
    if jobs is not None and jobs < 1:
        raise UsageError("invalid value", where="--jobs", expected="at least 1", found=jobs)
    return values


def _status(pipeline: Pipeline, record: RunRecord) -> Status:
    """Return what a run ended in, from what its tasks ended in."""
    statuses = {record.tasks[name].status for name in pipeline.tasks}
    if Status.FAILED in statuses:
        return Status.FAILED
    finished = all(status.finished for status in statuses)
    return Status.SUCCEEDED if finished else Status.CANCELLED


def _first_records(pipeline: Pipeline, earlier: Earlier | None) -> dict[str, TaskRecord]:
    """Return a record per task, those that the rerun leaves out as the earlier run left them."""
    records = {
        task.name: TaskRecord(
            name=task.name,
            title=task.title,
            kind="importer" if isinstance(task.executor, Importer) else "container",
        )
        for task in pipeline.tasks.values()
    }
    if not earlier:
        return records
    kept = {}
    for name in earlier.whole.tasks:
        before = earlier.record.tasks.get(name)
        if name in records:
            kept[name] = records[name]
        elif before and before.status.finished:
            source = before.cached_from or earlier.record.run_id
            kept[name] = replace(
                before, status=Status.CACHED, cached_from=source, seconds=None, reasons=()
            )
        else:
            kept[name] = TaskRecord(name=name, title=earlier.whole.tasks[name].title)
    return kept | records


def _schedule(
    pipeline: Pipeline, shared: Run, ledger: Ledger, jobs: int, *, keep_going: bool
) -> None:
    """Run tasks as soon as those they need have finished, until one fails or we are stopped."""
    graph = TopologicalSorter({name: task.upstream for name, task in pipeline.tasks.items()})
    graph.prepare()
    ready: list[str] = []
    running: dict[Future[TaskRecord], str] = {}
    ended: queue.SimpleQueue[Future[TaskRecord] | None] = queue.SimpleQueue()
    with (
        _stop_on_signals(shared.processes, ended),
        ThreadPoolExecutor(jobs) as pool,
        _stop_on_error(shared.processes),
    ):
        halted = told = False
        while True:
            ready += graph.get_ready()
            records = ledger.record.tasks
            done = {n: r.outputs for n, r in records.items() if r.status.finished}
            while ready and not halted and len(running) < jobs:
                task = pipeline.tasks[ready.pop(0)]
                future = pool.submit(execute, shared, task, records[task.name], done)
                running[future] = task.name
                future.add_done_callback(ended.put)
            if not running:
                return
            future_or_signal = ended.get()
            if shared.processes.stopped.is_set() and not told:
                told = True
                _tell(running.values(), shared.processes.grace)
            halted = halted or shared.processes.stopped.is_set()
            if future_or_signal is not None:
                name = running.pop(future_or_signal)
                record = future_or_signal.result()
                shared.report(record, "")
                if record.status.finished:
                    graph.done(name)
                else:
                    halted = halted or not keep_going


def _tell(running: Iterable[str], grace: float) -> None:
    """Answer the first signal: what is waited for, for how long at most, and how not to."""
    names = ", ".join(running)
    say(
        f"stopping: {names or 'nothing'} may take up to {grace:g} s to save what is done; "
        "Ctrl-C again ends it at once"
    )


@contextmanager
def _stop_on_error(processes: Processes) -> Iterator[None]:
    """End the tasks when the record of the run cannot be written, instead of waiting for them."""
    try:
        yield
    except BaseException:
        processes.stop()
        raise


@contextmanager
def _stop_on_signals(
    processes: Processes, ended: "queue.SimpleQueue[Future[TaskRecord] | None]"
) -> Iterator[None]:
    """End the tasks on Ctrl-C and its like: politely at first, at once the second time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        processes.stop(kill=processes.stopped.is_set())
        ended.put(None)
        if not processes.running:
            # Nothing is to be saved: it is a bucket that is waited for, or another run.
            end_waits()

    # One that is ignored, as under `nohup` or in a script's background, stays so.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
