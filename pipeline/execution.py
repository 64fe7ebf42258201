"""One task on this machine, from its inputs to its record."""

import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from components.core import storage
from components.core.errors import DataError, IdxpipeError, SetupError
from pipeline import cache, code, executor_input, failure, mounts, outputs, placeholders, state
from pipeline.artifact import Artifact, Values
from pipeline.cache import Policy
from pipeline.process import Processes, Stopped
from pipeline.spec import Container, Importer, Task
from pipeline.state import Status, TaskRecord

# These carry their content in their metadata and need no file.
METADATA_ONLY = frozenset(
    {"system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics"}
)


@dataclass(frozen=True)
class Run:
    """What all tasks of a run have in common."""

    run_id: str
    root: str
    pipeline: str
    parameters: Mapping[str, Any]
    cache: bool
    force: frozenset[str]
    processes: Processes
    report: Callable[[TaskRecord, str], None]

    def policy(self, task: Task) -> Policy:
        """Return what to do about an earlier result of `task`."""
        if not (self.cache and task.cacheable):
            return Policy.FRESH
        return Policy.REPLACE if task.name in self.force else Policy.REUSE


def execute(run: Run, task: Task, record: TaskRecord, done: Mapping[str, Values]) -> TaskRecord:
    """Bring one task to its end.

    Args:
        run: The run.
        task: A task whose upstream tasks have finished.
        record: Its record so far.
        done: Outputs of the finished tasks.

    Returns:
        Its last record: succeeded, cached, failed or cancelled. Nothing is raised.
    """
    started = time.monotonic()
    record = replace(record, status=Status.RUNNING, started=state.now())
    try:
        inputs = executor_input.resolve_inputs(
            task, run.parameters, done, _names(run, task, record)
        )
        record = replace(record, inputs=inputs)
        if isinstance(task.executor, Importer):
            imported = Values({}, {"artifact": take(task, task.executor, inputs)})
            record = replace(record, status=Status.SUCCEEDED, outputs=imported)
        elif isinstance(task.executor, Container):
            record = _run_container(run, task, task.executor, record)
    except Stopped:
        record = replace(record, status=Status.CANCELLED)
    except IdxpipeError as error:
        record = _failed(record, error)
    except OSError as error:
        record = _failed(
            record,
            SetupError(
                "cannot use this file",
                where=str(error.filename or run.root),
                found=error.strerror or str(error),
                remedy="mend the cause named above and try again",
            ),
        )
    except Exception:
        record = replace(
            record,
            status=Status.FAILED,
            error="defect of the local runner\n" + _indented(traceback.format_exc()),
            exit_code=1,
        )
    seconds = None if record.status is Status.CACHED else round(time.monotonic() - started, 3)
    return replace(record, ended=state.now(), seconds=seconds)


def _failed(record: TaskRecord, error: IdxpipeError) -> TaskRecord:
    return replace(record, status=Status.FAILED, error=str(error), exit_code=error.exit_code)


def take(task: Task, importer: Importer, inputs: Values) -> Artifact:
    """Return the artifact that an importer names.

    Raises:
        DataError: If there is nothing at its URI.
    """
    uri = inputs.parameters["uri"] if importer.uri is None else importer.uri
    known = executor_input.build(task, inputs, "/", "/")
    artifact = Artifact(
        name="artifact",
        uri=uri,
        type=importer.type,
        metadata=placeholders.fill(importer.metadata, known, where=task.name),
    )
    if artifact.title not in METADATA_ONLY and not artifact.inventory():
        raise DataError(
            "artifact to import is not there",
            where=uri,
            expected=artifact.title,
            found="no file",
            remedy="run the stage that makes it again",
        )
    return artifact


def _run_container(run: Run, task: Task, container: Container, record: TaskRecord) -> TaskRecord:
    name = cache.key(task, container, record.inputs, run.root)
    record = replace(record, key=name)
    claim = cache.claim(
        run.root,
        task.name,
        name,
        run.run_id,
        run.policy(task),
        stopped=run.processes.stopped,
        waiting=lambda: run.report(record, "waits for another run to do the same"),
    )
    with claim as place:
        record = replace(record, folder=place.folder)
        if place.entry:
            return replace(
                record,
                status=Status.CACHED,
                outputs=place.entry.outputs,
                cached_from=place.entry.run_id,
            )
        log = storage.join(state.run_folder(run.root, run.run_id), "logs", f"{task.name}.log")
        record = replace(record, log=log)
        run.report(record, "")
        with _scratch(task.name) as scratch, _log_file(log, scratch) as path:
            return _attempt(run, task, container, record, place, scratch, path)


def _attempt(
    run: Run,
    task: Task,
    container: Container,
    record: TaskRecord,
    place: cache.Claim,
    scratch: str,
    log: str,
) -> TaskRecord:
    # Apart from the runner's own files there: an output may have any name.
    reported = os.path.join(scratch, "outputs")
    os.mkdir(reported)
    message = executor_input.build(task, record.inputs, place.folder, reported)
    elements = [*container.command, *container.args]
    command = placeholders.command_line(elements, message, _names(run, task, record), task.name)
    if storage.is_local(place.folder):
        os.makedirs(place.folder, exist_ok=True)
    with open(log, "wb") as stream:
        exit_code = run.processes.run(
            command,
            env=_environment(container, scratch, storage.is_local(place.folder)),
            log=stream,
            scratch=scratch,
            lock=place.lock,
        )
    record = replace(record, exit_code=exit_code)
    if exit_code and run.processes.stopped.is_set():
        return replace(record, status=Status.CANCELLED)
    if exit_code:
        return replace(
            record,
            status=Status.FAILED,
            error=failure.explain(exit_code, log),
            outputs=outputs.left_behind(task, message),
        )
    produced = outputs.collect(task, message)
    cache.publish(place.folder, run.run_id, produced)
    return replace(record, status=Status.SUCCEEDED, outputs=produced)


def _names(run: Run, task: Task, record: TaskRecord) -> dict[str, str]:
    """Return what the placeholders for the run and the task stand for."""
    return {
        "pipeline_job_name": f"{run.pipeline}-{run.run_id}",
        "pipeline_job_resource_name": f"{run.pipeline}-{run.run_id}",
        "pipeline_job_uuid": run.run_id,
        "pipeline_task_name": task.name,
        "pipeline_task_uuid": f"{run.run_id}-{task.name}",
        "pipeline_root": run.root,
        "pipeline_job_create_time_utc": record.started or "",
        # As KFP has it for a run that no schedule started.
        "pipeline_job_schedule_time_utc": record.started or "",
    }


def _environment(container: Container, scratch: str, local: bool) -> dict[str, str]:
    """Return the variables under which `python3` is this interpreter, with our `components`.

    Args:
        container: What runs.
        scratch: Its local folder.
        local: Whether its outputs are local too.
    """
    temporary = os.path.join(scratch, "tmp")
    os.mkdir(temporary)
    path = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    modules = [os.path.dirname(code.package_root()), os.environ.get("PYTHONPATH", "")]
    remote = {}
    if not local:
        site = os.path.join(scratch, "site")
        os.mkdir(site)
        shutil.copyfile(mounts.__file__, os.path.join(site, "sitecustomize.py"))
        modules.insert(0, site)
        remote = {mounts.VARIABLE: os.path.join(scratch, "mounts")}
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
        # Otherwise a folder `components` where the user stands would be imported instead.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": temporary,
        **remote,
        **container.env,
    }


@contextmanager
def _scratch(name: str) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix=f"idxpipe-{name}-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _log_file(uri: str, scratch: str) -> Iterator[str]:
    """Yield a local path to log to; what is there in the end is at `uri`."""
    if storage.is_local(uri):
        path = storage.local_path(uri)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        yield path
        return
    path = os.path.join(scratch, "log")
    try:
        yield path
    finally:
        if os.path.exists(path):
            with open(path, "rb") as stream, storage.create(uri) as copy:
                shutil.copyfileobj(stream, copy)


def _indented(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())
