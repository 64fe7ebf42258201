"""What a finished task reports: `ExecutorOutput`, or one file per output parameter.

The message is `ExecutorOutput` of kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, as JSON.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Task


def collect(task: Task, executor_input: Mapping[str, Any]) -> Values:
    """Return the outputs of a task that ended well.

    Args:
        task: The task.
        executor_input: What it was started with, which says where it reports.

    Raises:
        DataError: If it did not report an output, or one of the wrong type.
    """
    expected = executor_input["outputs"]
    reported = _read_report(task, expected["outputFile"])
    values = {}
    for name, parameter in task.component.output_parameters.items():
        file = expected["parameters"][name]["outputFile"]
        raw = reported["parameterValues"].get(name)
        try:
            if raw is None:
                raw = _read_parameter(file, parameter.type)
            values[name] = params.coerce(parameter.type, raw)
        except (ValueError, OverflowError, OSError):
            raise DataError(
                "stage did not report this output, or not as it should",
                where=f"{task.name}.{name}",
                expected=f"a value of type {parameter.type}",
                found=repr(raw) if raw is not None else "no value",
            ) from None
    artifacts = {}
    for name, kind in task.component.output_artifacts.items():
        default = Artifact.from_json(expected["artifacts"][name]["artifacts"][0])
        try:
            entries = reported["artifacts"].get(name, {}).get("artifacts", [])
            entry = entries[0] if entries else {}
            artifacts[name] = Artifact(
                name=str(entry.get("name") or default.name),
                uri=str(entry.get("uri") or default.uri),
                type=kind,
                metadata=dict(entry.get("metadata") or {}),
            )
        except (AttributeError, TypeError, ValueError, KeyError):
            raise _malformed(task, expected["outputFile"]) from None
    return Values(values, artifacts)


def left_behind(task: Task, executor_input: Mapping[str, Any]) -> Values:
    """Return the artifacts that a failed task nevertheless wrote, such as the report of a gate.

    Args:
        task: The task.
        executor_input: What it was started with.
    """
    artifacts = {}
    for name in task.component.output_artifacts:
        entry = executor_input["outputs"]["artifacts"][name]["artifacts"][0]
        default = Artifact.from_json(entry)
        # A component may give its artifact a suffix, by which a browser knows the type.
        for suffix in ("", ".html", ".json"):
            found = replace(default, uri=default.uri + suffix)
            if found.inventory():
                artifacts[name] = found
    return Values({}, artifacts)


def _read_report(task: Task, path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        return {"parameterValues": {}, "artifacts": {}}
    try:
        with open(path, encoding="utf-8") as stream:
            report = json.load(stream)
        return {key: dict(report.get(key) or {}) for key in ("parameterValues", "artifacts")}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise _malformed(task, path) from None


def _read_parameter(path: str, kind: str) -> Any:
    """Read a value as KFP's launcher does: text as it is, everything else as JSON."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    if kind == "BOOLEAN":
        # What strconv.ParseBool of Go takes, with which the launcher reads it.
        text = {
            "1": "true",
            "t": "true",
            "T": "true",
            "0": "false",
            "f": "false",
            "F": "false",
        }.get(text, text)
    return params.parse(kind, text)


def _malformed(task: Task, path: str) -> DataError:
    return DataError("stage's report of its outputs is damaged", where=f"{task.name}: {path}")
