"""One task on this machine, from its inputs to its record."""

import os
import re
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from idxpipe.components.core import events, storage
from idxpipe.components.core.errors import (
    FILE_VARIABLE,
    DataError,
    IdxpipeError,
    SetupError,
    TransientError,
)
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.pipeline import failure, state
from idxpipe.pipeline.local import (
    artifact_copies,
    cache,
    checksums,
    code,
    executor_input,
    mounts,
    reasons,
    venvs,
)
from idxpipe.pipeline.local import executor_output as outputs
from idxpipe.pipeline.local.cache import Policy
from idxpipe.pipeline.local.identity import Parts, key_of, parts_of
from idxpipe.pipeline.local.process import Processes, Stopped
from idxpipe.pipeline.local.reasons import History
from idxpipe.pipeline.spec import placeholders
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Container, Importer, Task
from idxpipe.pipeline.state import Status, TaskRecord, duration

# Between two copies of a log to a bucket; a long one, which is sent whole, is copied less often.
LOG_SECONDS = 5.0
_LOG_BYTES_PER_SECOND = 1 << 20
# In the command of a stage that keeps to our exit codes.
_CONTRACT = "idxpipe.components.core.errors"
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
    verify: bool
    force: frozenset[str]
    processes: Processes
    report: Callable[[TaskRecord, str], None]
    history: History

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
            imported = Values(
                {}, {"artifact": take(task, task.executor, inputs, verify=run.verify)}
            )
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
                remedy="fix the cause named above and try again",
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
    return replace(record, ended=state.now(), seconds=seconds, events=None)


def _failed(record: TaskRecord, error: IdxpipeError) -> TaskRecord:
    return replace(record, status=Status.FAILED, error=str(error), exit_code=error.exit_code)


def take(task: Task, importer: Importer, inputs: Values, *, verify: bool = False) -> Artifact:
    """Return the artifact that an importer names.

    Args:
        task: The importer's.
        importer: What it imports.
        inputs: Its parameters.
        verify: Hash the files that a manifest or a model's card tells of.

    Raises:
        DataError: If there is nothing at its URI, or it is not what it was.
    """
    uri = inputs.parameters["uri"] if importer.uri is None else importer.uri
    known = executor_input.build(task, inputs, "/", "/")
    artifact = Artifact(
        name="artifact",
        uri=uri,
        type=importer.type,
        metadata=placeholders.fill(importer.metadata, known, where=task.name),
    )
    files = artifact.inventory()
    if artifact.title not in METADATA_ONLY and not files:
        raise DataError(
            "artifact to import is not there",
            where=uri,
            expected=artifact.title,
            found="no file",
            remedy="run the stage that makes it again",
        )
    damaged = checksums.damaged("", artifact, files, {}, verify=True) if verify else []
    if damaged:
        raise DataError(
            "artifact to import is damaged",
            where=storage.join(uri, damaged[0]),
            expected="the checksum that is recorded of it",
            found="another",
            remedy="run the whole pipeline, with --verify: what is damaged is made again",
        )
    return artifact


def _run_container(run: Run, task: Task, container: Container, record: TaskRecord) -> TaskRecord:
    parts = parts_of(task, container, record.inputs)
    name = key_of(parts)
    record = replace(record, key=name)
    reasons.keep(run.root, run.run_id, task.name, parts)
    policy = run.policy(task)
    claim = cache.claim(
        run.root,
        task.name,
        name,
        run.run_id,
        policy,
        verify=run.verify,
        stopped=run.processes.stopped,
        waiting=lambda text: run.report(record, text),
    )
    with claim as place:
        record = replace(record, folder=place.folder)
        if place.entry:
            return replace(
                record,
                status=Status.CACHED,
                outputs=place.entry.outputs,
                cached_from=place.entry.run_id,
                reasons=tuple(f"accepted: {text}" for text in place.entry.accepted),
            )
        because = reasons.why(
            policy, place.look, parts, run.history, task.name, cacheable=task.cacheable
        )
        record = replace(record, reasons=because)
        log = storage.join(state.run_folder(run.root, run.run_id), "logs", f"{task.name}.log")
        with _scratch(task.name) as scratch, _log_file(log, scratch) as path:
            record = replace(record, log=log, events=os.path.join(scratch, "event.json"))
            run.report(record, "")
            step = _Step(run, task, container, parts, place, path, scratch)
            return step.run_to_its_end(record)


@dataclass(frozen=True)
class _Step:
    """A container in its place, with its log, and a folder that is gone when we are."""

    run: Run
    task: Task
    container: Container
    parts: Parts
    place: cache.Claim
    log: str
    scratch: str

    def run_to_its_end(self, record: TaskRecord) -> TaskRecord:
        """Try the step, again as often as its retry policy says."""
        for attempt in range(1, self.task.retry.count + 2):
            folder = os.path.join(self.scratch, str(attempt))
            os.mkdir(folder)
            record = self._attempt(replace(record, attempts=attempt), folder)
            shutil.rmtree(folder, ignore_errors=True)
            if record.status is not Status.FAILED or attempt > self.task.retry.count:
                break
            if self._for_good(record.exit_code or 1):
                break
            pause = self.task.retry.pause_before(attempt)
            note = f"failed, tries again in {duration(pause)}: attempt {attempt + 1}"
            self.run.report(replace(record, status=Status.RUNNING), note)
            if self.run.processes.stopped.wait(pause):
                break
        return record

    def _for_good(self, exit_code: int) -> bool:
        """Tell whether nothing can have changed: our stages say by 6 that it is worth a try."""
        return self._ours and exit_code != TransientError.exit_code

    @property
    def _ours(self) -> bool:
        words = (*self.container.command, *self.container.args)
        return any(_CONTRACT in word for word in words)

    def _attempt(self, record: TaskRecord, scratch: str) -> TaskRecord:
        # Apart from the runner's own files there: an output may have any name.
        reported = os.path.join(scratch, "outputs")
        os.mkdir(reported)
        folder, mount = self.place.folder, os.path.join(scratch, "mounts")
        home = artifact_copies.home_of(folder, mount)
        os.makedirs(home, exist_ok=True)
        report = os.path.join(home, executor_input.OUTPUT_FILE)
        # Of an attempt that was killed.
        Path(report).unlink(missing_ok=True)
        message = executor_input.build(self.task, record.inputs, folder, reported, report)
        paths = artifact_copies.paths_of(message, mount)
        command = placeholders.command_line(
            [*self.container.command, *self.container.args],
            message,
            _names(self.run, self.task, record),
            self.task.name,
            paths,
        )
        artifact_copies.prepare(message, mount)
        artifact_copies.fetch(self.container, record.inputs.artifacts, mount)
        stated = os.path.join(scratch, "error.json") if self._ours else None
        with open(self.log, "ab" if record.attempts > 1 else "wb") as stream:
            programs = self._programs(record, scratch, stream)
            exit_code = self.run.processes.run(
                command,
                env=_environment(self.container, scratch, bool(paths), programs)
                | {events.FILE_VARIABLE: record.events or "", FILE_VARIABLE: stated or ""},
                log=stream,
                scratch=self.scratch,
                lock=self.place.lock,
            )
        record = replace(record, exit_code=exit_code)
        if exit_code and self.run.processes.stopped.is_set():
            return replace(record, status=Status.CANCELLED, error=failure.said(self.log, stated))
        if exit_code:
            left = outputs.left_behind(self.task, message)
            Path(report).unlink(missing_ok=True)
            error = failure.explain(exit_code, self.log, stated)
            return replace(record, status=Status.FAILED, error=error, outputs=left)
        produced = outputs.collect(self.task, message)
        Path(report).unlink(missing_ok=True)
        artifact_copies.send(produced.artifacts.values(), mount)
        cache.publish(self.place, self.run.run_id, produced, self.parts)
        return replace(record, status=Status.SUCCEEDED, outputs=produced)

    def _programs(self, record: TaskRecord, scratch: str, log: BinaryIO) -> str | None:
        """Return the folder of the programs that the step's packages are installed beside."""

        def run(command: Sequence[str], programs: str) -> int:
            environment = _environment(self.container, scratch, False, programs or None)
            ended = self.run.processes.run(command, env=environment, log=log, scratch=self.scratch)
            if self.run.processes.stopped.is_set():
                raise Stopped
            return ended

        return venvs.prepare(
            self.container,
            venvs.folder_of(self.run.root),
            run,
            stopped=self.run.processes.stopped,
            waiting=lambda _: self.run.report(record, "waits for another's packages"),
        )


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


def _environment(
    container: Container, scratch: str, remote: bool, programs: str | None
) -> dict[str, str]:
    """Return the variables of a step.

    Args:
        container: What runs.
        scratch: Its local folder.
        remote: Whether an artifact of its has a local path of another name.
        programs: Folder of a `python3` with packages of its own; by default `python3` is this
            interpreter, with our `components`.
    """
    temporary = os.path.join(scratch, "tmp")
    os.makedirs(temporary, exist_ok=True)
    path = [programs or os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    parent = os.path.dirname(os.path.dirname(code.package_root()))
    ours = [parent, os.environ.get("PYTHONPATH", "")]
    modules = [] if programs else ours
    moved = {}
    if remote:
        site = os.path.join(scratch, "site")
        os.makedirs(site)
        shutil.copyfile(mounts.__file__, os.path.join(site, "sitecustomize.py"))
        modules.insert(0, site)
        moved = {mounts.VARIABLE: os.path.join(scratch, "mounts")}
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
        # Otherwise a folder `components` where the user stands would be imported instead.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": temporary,
        **moved,
        **container.env,
    }


@contextmanager
def _scratch(name: str) -> Iterator[str]:
    # Of a task's name, what a file's may have.
    with temporary_folder(re.sub(r"[^\w-]", "-", name)) as folder:
        yield folder


@contextmanager
def _log_file(uri: str, scratch: str) -> Iterator[str]:
    """Yield a local path to log to; what is there is at `uri`, a few seconds later."""
    if storage.is_local(uri):
        path = storage.local_path(uri)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        yield path
        return
    path = os.path.join(scratch, "log")
    ended = threading.Event()
    copier = threading.Thread(target=_copy_log, args=(path, uri, ended), daemon=True)
    copier.start()
    try:
        yield path
    finally:
        ended.set()
        copier.join()
        if os.path.exists(path):
            storage.put(path, uri)


def _copy_log(path: str, uri: str, ended: threading.Event) -> None:
    """Copy a log to its bucket while it grows: a runner that is killed leaves what there was."""
    copied = 0
    while not ended.wait(LOG_SECONDS + copied / _LOG_BYTES_PER_SECOND):
        # The last copy is the one that counts, and raises.
        with suppress(OSError, IdxpipeError):
            size = os.path.getsize(path)
            if size != copied:
                storage.put(path, uri)
                copied = size


def _indented(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())
