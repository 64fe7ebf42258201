"""The ExecutorInput of a task: what KFP's launcher tells the code inside a container.

The message is `ExecutorInput` of kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, as JSON.
"""

from collections.abc import Mapping
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Constant, PipelineInput, Task
from idxpipe.pipeline.spec.placeholders import fill

OUTPUT_FILE = "executor_output.json"


def resolve_inputs(
    task: Task,
    parameters: Mapping[str, Any],
    outputs: Mapping[str, Values],
    names: Mapping[str, str] | None = None,
) -> Values:
    """Return the values of a task's inputs.

    Args:
        task: The task.
        parameters: The pipeline's parameters.
        outputs: What each earlier task produced.
        names: What placeholders such as `{{$.pipeline_job_name}}` stand for.

    Raises:
        DataError: If an earlier task produced no such value, or one of another type.
    """
    values: dict[str, Any] = {}
    for name, source in task.parameters.items():
        if isinstance(source, Constant):
            values[name] = source.value
        elif isinstance(source, PipelineInput):
            if source.name in parameters:
                values[name] = parameters[source.name]
        else:
            values[name] = outputs[source.task].parameters[source.key]
    for name, parameter in task.component.input_parameters.items():
        if name not in values and parameter.default is not None:
            values[name] = parameter.default
    artifacts = {
        name: outputs[source.task].artifacts[source.key]
        for name, source in task.artifacts.items()
        if not isinstance(source, Constant | PipelineInput)
    }
    _substitute_constants(task, values, artifacts, names or {})
    return Values(_typed(task, values), artifacts)


def _substitute_constants(
    task: Task,
    values: dict[str, Any],
    artifacts: Mapping[str, Artifact],
    names: Mapping[str, str],
) -> None:
    """Fill in f-strings, which compile to constants that name the task's other inputs."""
    known = {"inputs": _inputs(Values(values, artifacts))}
    filled = {
        name: fill(source.value, known, names=names, where=f"{task.name}.{name}")
        for name, source in task.parameters.items()
        if isinstance(source, Constant)
    }
    values.update(filled)


def _typed(task: Task, values: Mapping[str, Any]) -> dict[str, Any]:
    typed = {}
    for name, value in values.items():
        parameter = task.component.input_parameters.get(name)
        try:
            typed[name] = params.coerce(parameter.type, value) if parameter else value
        except (ValueError, OverflowError):
            raise DataError(
                "input has the wrong type",
                where=f"{task.name}.{name}",
                expected=parameter.type if parameter else None,
                found=repr(value),
            ) from None
    return typed


def build(
    task: Task, inputs: Values, folder: str, scratch: str, report: str = ""
) -> dict[str, Any]:
    """Return the ExecutorInput.

    Args:
        task: The task.
        inputs: From `resolve_inputs`.
        folder: URI under which the task's output artifacts go.
        scratch: Local folder for the files in which the task reports its output values.
        report: Local file for all that it reports; beside it lie artifacts that the task names
            itself, by `dsl.get_uri()`. By default it is in `scratch`.

    Raises:
        DataError: If the name of an output leads out of these folders.
    """
    outputs: dict[str, Any] = {}
    component = task.component
    if component.output_parameters:
        outputs["parameters"] = {
            name: {"outputFile": storage.join(scratch, name)}
            for name in component.output_parameters
        }
    if component.output_artifacts:
        outputs["artifacts"] = {
            name: {"artifacts": [Artifact(name, storage.join(folder, name), kind).to_json()]}
            for name, kind in component.output_artifacts.items()
        }
    outputs["outputFile"] = report or storage.join(scratch, OUTPUT_FILE)
    return {"inputs": _inputs(inputs), "outputs": outputs}


def _inputs(inputs: Values) -> dict[str, Any]:
    message: dict[str, Any] = {}
    if inputs.parameters:
        message["parameterValues"] = dict(inputs.parameters)
    if inputs.artifacts:
        message["artifacts"] = {
            name: {"artifacts": [artifact.to_json()]} for name, artifact in inputs.artifacts.items()
        }
    return message
