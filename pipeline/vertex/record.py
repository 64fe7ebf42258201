"""A job of Vertex AI Pipelines as the record of a run, which is what reruns and tables work on.

The resource is https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from idxpipe.components.core.errors import DataError, SetupError, TransientError, UsageError
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Importer, Pipeline, Task
from idxpipe.pipeline.spec.parse import from_document
from idxpipe.pipeline.state import Earlier, RunRecord, Status, TaskRecord
from idxpipe.pipeline.vertex.request import EARLIER

FINAL = frozenset(
    f"PIPELINE_STATE_{name}" for name in ("SUCCEEDED", "FAILED", "CANCELLED", "PAUSED")
)

_RUN = {
    "PIPELINE_STATE_SUCCEEDED": Status.SUCCEEDED,
    "PIPELINE_STATE_FAILED": Status.FAILED,
    "PIPELINE_STATE_CANCELLED": Status.CANCELLED,
    "PIPELINE_STATE_QUEUED": Status.PENDING,
    "PIPELINE_STATE_PENDING": Status.PENDING,
}
_TASK = {
    "RUNNING": Status.RUNNING,
    "SUCCEEDED": Status.SUCCEEDED,
    "CANCEL_PENDING": Status.RUNNING,
    "CANCELLING": Status.RUNNING,
    "CANCELLED": Status.CANCELLED,
    "FAILED": Status.FAILED,
    "SKIPPED": Status.CACHED,  # "due to cache hit"
}
_CUSTOM_JOB = re.compile(r"/customJobs/(\d+)")
# What Vertex AI says of a container that failed:
# https://cloud.google.com/vertex-ai/docs/training/troubleshooting
_EXIT = re.compile(r"exited with a non-zero status of (\d+)")
# google.rpc.Code: what may pass by itself, and what the account or the project lacks.
_TRANSIENT = frozenset({4, 8, 13, 14})
_SETUP = frozenset({7, 16})
_MAX_CHAIN = 50


def read(
    job: Mapping[str, Any],
    fetch: Callable[[str], Mapping[str, Any] | None] = lambda job_id: None,
    chain: int = 0,
) -> Earlier:
    """Return the record of a job.

    A rerun names the run that it goes on from. Its record then has all stages of that run too, so
    that a rerun can go on from a rerun.

    Args:
        job: The PipelineJob.
        fetch: Returns the job with an id, None if there is none.
        chain: How many reruns of reruns came before.

    Raises:
        DataError: If the job has no compiled pipeline of KFP 2, or is not what the API answers.
    """
    try:
        return _read(job, fetch, chain)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            "job cannot be understood",
            where=str(job.get("name", "")),
            expected="a PipelineJob of Vertex AI",
            found=f"{type(error).__name__}: {error}",
        ) from None


def _read(
    job: Mapping[str, Any], fetch: Callable[[str], Mapping[str, Any] | None], chain: int
) -> Earlier:
    job_id = str(job.get("name", "")).rpartition("/")[2]
    pipeline = from_document(_spec_of(job, job_id), where=job_id)
    label = job.get("labels", {}).get(EARLIER)
    before = fetch(label) if label and chain < _MAX_CHAIN else None
    earlier = read(before, fetch, chain + 1) if before else None
    config = job.get("runtimeConfig", {})
    given = {n: v for n, v in config.get("parameterValues", {}).items() if n in pipeline.parameters}
    record = RunRecord(
        run_id=job_id,
        root=str(config.get("gcsOutputDirectory", "")),
        pipeline=pipeline.name,
        digest=pipeline.digest,
        parameters=params.resolve(pipeline.parameters, values=given),
        status=_RUN.get(str(job.get("state")), Status.RUNNING),
        started=job.get("startTime") or job.get("createTime"),
        ended=job.get("endTime"),
        seconds=_seconds(job, "createTime"),
        earlier=label,
        tasks=_tasks(job, pipeline),
    )
    return earlier.continued(record) if earlier else Earlier(record, pipeline)


def problem_of(job: Mapping[str, Any]) -> TaskRecord | None:
    """Return the error of a job that failed without any stage failing, as that of a task."""
    error = job.get("error") or {}
    details = job.get("jobDetail", {}).get("taskDetails", [])
    if job.get("state") != "PIPELINE_STATE_FAILED" or not error:
        return None
    names = set(job.get("pipelineSpec", {}).get("root", {}).get("dag", {}).get("tasks", {}))
    if any(d.get("state") == "FAILED" and d.get("taskName") in names for d in details):
        return None
    return TaskRecord(
        name=str(job.get("name", "")).rpartition("/")[2],
        status=Status.FAILED,
        ended=job.get("endTime"),
        error=str(error.get("message", "failed")),
        exit_code=exit_code(error),
    )


def exit_code(error: Mapping[str, Any]) -> int:
    """Return the exit code that an error of a task or job amounts to.

    That of the stage's process, where the message tells it: idxpipe's stages end in the exit codes
    of idxpipe. Else 6 or 5 for what the service says is transient or lacks a permission, else 1.

    Args:
        error: The `google.rpc.Status`.
    """
    match = _EXIT.search(str(error.get("message", "")))
    if match:
        return int(match[1])
    code = error.get("code")
    if code in _TRANSIENT:
        return TransientError.exit_code
    return SetupError.exit_code if code in _SETUP else 1


def job_of_task(job: Mapping[str, Any], task: str) -> str | None:
    """Return the id of the custom job that a task ran as, if it got that far."""
    for detail in reversed(_details(job)):
        if detail.get("taskName") == task:
            executor = detail.get("executorDetail", {})
            found = [
                # A train stage with a machine of its own: its container only starts another job,
                # and reports it in a parameter, a GcpResources message as JSON.
                detail.get("execution", {}).get("metadata", {}).get("output:gcp_resources"),
                executor.get("customJobDetail", {}).get("job"),
                executor.get("containerDetail", {}).get("mainJob"),
            ]
            ids = [match[1] for text in found if (match := _CUSTOM_JOB.search(str(text)))]
            if ids:
                return ids[0]
    return None


def _spec_of(job: Mapping[str, Any], job_id: str) -> Mapping[str, Any]:
    document = job.get("pipelineSpec")
    version = str(document.get("schemaVersion", "")) if isinstance(document, Mapping) else ""
    if not isinstance(document, Mapping) or not version.startswith("2.1"):
        raise DataError(
            "job is not of a pipeline compiled by KFP 2",
            where=job_id,
            expected="pipelineSpec with schemaVersion 2.1.0",
            found=version or "no pipelineSpec",
        )
    return document


def _details(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tasks, oldest first; ids are int64 and therefore text."""
    details = job.get("jobDetail", {}).get("taskDetails", [])
    return sorted(details, key=lambda detail: int(detail.get("taskId", 0)))


def _tasks(job: Mapping[str, Any], pipeline: Pipeline) -> dict[str, TaskRecord]:
    """Return a record per task of the pipeline; the job has one more, for the whole of it."""
    records = {
        task.name: TaskRecord(
            name=task.name,
            title=task.title,
            kind="importer" if isinstance(task.executor, Importer) else "container",
        )
        for task in pipeline.tasks.values()
    }
    inside = {d.get("taskId") for d in _details(job) if d.get("taskName") in records}
    for detail in _details(job):
        name = detail.get("taskName")
        # A task of a pipeline inside the pipeline may have the name of one outside.
        if name in records and detail.get("parentTaskId") not in inside:
            records[name] = _task(records[name], pipeline.tasks[name], detail, job)
    return records


def _task(
    record: TaskRecord, task: Task, detail: Mapping[str, Any], job: Mapping[str, Any]
) -> TaskRecord:
    status = _TASK.get(detail.get("state", ""), Status.PENDING)
    error = detail.get("error") or {}
    failed = status is Status.FAILED
    custom_job = job_of_task(job, task.name)
    return replace(
        record,
        status=status,
        started=detail.get("startTime"),
        ended=detail.get("endTime"),
        seconds=_seconds(detail, "startTime") if status is not Status.CACHED else None,
        outputs=_outputs(task, detail) if status.finished else Values(),
        exit_code=exit_code(error) if failed else None,
        error=str(error.get("message") or "failed") if failed else None,
        log=f"custom job {custom_job}" if custom_job else None,
    )


def _outputs(task: Task, detail: Mapping[str, Any]) -> Values:
    """Return what a task made.

    Artifacts are listed under `outputs`. Parameters are not: they stand in the metadata of the
    task's execution in Vertex ML Metadata as `output:NAME`, which is also where the
    google-cloud-aiplatform SDK reads them (model_evaluation_job.py, pipeline_jobs.py).
    """
    metadata = detail.get("execution", {}).get("metadata", {})
    values = {}
    for name, parameter in task.component.output_parameters.items():
        if f"output:{name}" in metadata:
            values[name] = _typed(parameter.type, metadata[f"output:{name}"])
    artifacts = {}
    for name, kind in task.component.output_artifacts.items():
        entries = detail.get("outputs", {}).get(name, {}).get("artifacts", [])
        if entries:
            entry = entries[0]
            metadata_of_it = dict(entry.get("metadata", {}))
            artifacts[name] = Artifact(name, str(entry.get("uri", "")), kind, metadata_of_it)
    return Values(values, artifacts)


def _typed(kind: str, value: Any) -> Any:
    """Return a value of ML Metadata, which knows numbers and text, as the type it was."""
    try:
        return params.coerce(kind, value)
    except (ValueError, OverflowError):
        pass
    try:
        return params.parse(kind, str(value))
    except (ValueError, OverflowError, UsageError):
        return value


def _seconds(value: Mapping[str, Any], begin: str) -> float | None:
    """Return how long it took, or takes so far."""
    if begin not in value:
        return None
    end = value.get("endTime")
    until = _time(end) if end else datetime.datetime.now(datetime.UTC)
    return max(0.0, round((until - _time(value[begin])).total_seconds(), 3))


def _time(text: str) -> datetime.datetime:
    # Up to nine digits of a second; Python reads six.
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
