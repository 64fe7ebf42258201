"""A run of Kubeflow Pipelines as the record of a run, which is what reruns and tables work on.

The resource is Run of https://github.com/kubeflow/pipelines, backend/api/v2beta1/run.proto. Its
tasks are the nodes of an Argo workflow: beside each task there are those of its driver and pod.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.kubeflow import mlmd
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Importer, Pipeline, Task
from idxpipe.pipeline.spec.parse import from_document
from idxpipe.pipeline.state import Earlier, RunRecord, Status, TaskRecord

FINAL = frozenset({"SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"})

_STATES = {
    "PENDING": Status.PENDING,
    "RUNNING": Status.RUNNING,
    "CANCELING": Status.RUNNING,
    "PAUSED": Status.RUNNING,
    "SUCCEEDED": Status.SUCCEEDED,
    "FAILED": Status.FAILED,
    "CANCELED": Status.CANCELLED,
}
# The node of a task whose pod was not needed, as its driver found it in the cache.
_TASK_STATES = _STATES | {"SKIPPED": Status.CACHED}
_EXECUTIONS = {
    mlmd.RUNNING: Status.RUNNING,
    mlmd.COMPLETE: Status.SUCCEEDED,
    mlmd.FAILED: Status.FAILED,
    mlmd.CACHED: Status.CACHED,
    mlmd.CANCELED: Status.CANCELLED,
}
# A run has no labels; its description is shown in KFP's interface.
_EARLIER = re.compile(r"idxpipe: goes on from run ([\w.-]+)")
_MAX_CHAIN = 50

Executions = Mapping[str, mlmd.Execution]


def earlier(run_id: str) -> str:
    """Return the description of a run that goes on from another."""
    return f"idxpipe: goes on from run {run_id}"


def read(
    run: Mapping[str, Any],
    executions: Executions | None = None,
    fetch: Callable[[str], tuple[Mapping[str, Any], Executions] | None] = lambda run_id: None,
    chain: int = 0,
) -> Earlier:
    """Return the record of a run.

    A rerun names the run that it goes on from. Its record then has all stages of that run too, so
    that a rerun can go on from a rerun.

    Args:
        run: The Run, with the pipeline that it is of.
        executions: What the metadata store knows of its tasks; without it the record has no
            outputs.
        fetch: Returns another run and what the store knows of it, None if there is none.
        chain: How many reruns of reruns came before.

    Raises:
        DataError: If the run has no compiled pipeline of KFP 2, or is not what the API answers.
    """
    try:
        return _read(run, executions or {}, fetch, chain)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            "run cannot be understood",
            where=str(run.get("run_id", "")),
            expected="a run of Kubeflow Pipelines 2",
            found=f"{type(error).__name__}: {error}",
        ) from None


def _read(
    run: Mapping[str, Any],
    executions: Executions,
    fetch: Callable[[str], tuple[Mapping[str, Any], Executions] | None],
    chain: int,
) -> Earlier:
    run_id = str(run.get("run_id", ""))
    pipeline = pipeline_of(run)
    match = _EARLIER.search(str(run.get("description", "")))
    before = fetch(match[1]) if match and chain < _MAX_CHAIN else None
    whole = read(before[0], before[1], fetch, chain + 1) if before else None
    config = run.get("runtime_config") or {}
    given = {n: v for n, v in config.get("parameters", {}).items() if n in pipeline.parameters}
    details = (run.get("run_details") or {}).get("task_details") or []
    nodes = {str(detail.get("display_name")): detail for detail in details}
    tasks = {
        name: _task(task, nodes.get(name, {}), executions.get(name))
        for name, task in pipeline.tasks.items()
    }
    record = RunRecord(
        run_id=run_id,
        root=str(config.get("pipeline_root", "")),
        pipeline=pipeline.name,
        digest=pipeline.digest,
        parameters=params.resolve(pipeline.parameters, values=given),
        status=_STATES.get(str(run.get("state")), Status.PENDING),
        started=_time(run.get("created_at")),
        ended=_time(run.get("finished_at")),
        seconds=_seconds(run.get("created_at"), run.get("finished_at")),
        earlier=match[1] if match else None,
        tasks=tasks,
    )
    return whole.continued(record) if whole else Earlier(record, pipeline)


def pipeline_of(run: Mapping[str, Any]) -> Pipeline:
    """Return the compiled pipeline of a run.

    Raises:
        DataError: If it has none of KFP 2.
    """
    run_id = str(run.get("run_id", ""))
    document: Any = run.get("pipeline_spec")
    platform = None
    if isinstance(document, Mapping) and "pipeline_spec" in document:
        document, platform = document["pipeline_spec"], document.get("platform_spec")
    version = str(document.get("schemaVersion", "")) if isinstance(document, Mapping) else ""
    if not isinstance(document, Mapping) or not version.startswith("2.1"):
        raise DataError(
            "run is not of a pipeline compiled by KFP 2",
            where=run_id,
            expected="pipeline_spec with schemaVersion 2.1.0",
            found=version or "no pipeline_spec",
        )
    return from_document(document, platform, where=run_id)


def _task(task: Task, node: Mapping[str, Any], execution: mlmd.Execution | None) -> TaskRecord:
    status = _TASK_STATES.get(str(node.get("state")), Status.PENDING)
    if execution:
        status = _EXECUTIONS.get(execution.state, status)
    failed = status is Status.FAILED
    began, ended = _time(node.get("start_time")), _time(node.get("end_time"))
    return TaskRecord(
        name=task.name,
        title=task.title,
        kind="importer" if isinstance(task.executor, Importer) else "container",
        status=status,
        started=began,
        ended=ended,
        seconds=_seconds(began, ended) if status is not Status.CACHED else None,
        outputs=_outputs(task, execution) if execution and status.finished else Values(),
        exit_code=1 if failed else None,
        # The API of KFP has no more.
        error="stage failed; its log says why" if failed else None,
    )


def _outputs(task: Task, execution: mlmd.Execution) -> Values:
    values = {
        name: params.coerce(parameter.type, execution.parameters[name])
        for name, parameter in task.component.output_parameters.items()
        if name in execution.parameters
    }
    artifacts = {}
    for name, kind in task.component.output_artifacts.items():
        if name in execution.artifacts:
            uri, metadata = execution.artifacts[name]
            artifacts[name] = Artifact(name, uri, kind, params.whole(dict(metadata)))
    return Values(values, artifacts)


def _time(text: Any) -> str | None:
    """Return a time; the API has the beginning of 1970 for none."""
    return None if not text or str(text).startswith("1970-01-01T00:00:00") else str(text)


def _seconds(began: str | None, ended: str | None) -> float | None:
    """Return how long it took, or takes so far."""
    if not _time(began):
        return None
    begin = datetime.datetime.fromisoformat(str(began))
    end = datetime.datetime.fromisoformat(ended) if _time(ended) and ended else None
    until = end or datetime.datetime.now(datetime.UTC)
    return max(0.0, round((until - begin).total_seconds(), 3))
