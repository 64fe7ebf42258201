"""A rerun is a smaller pipeline: cut at a stage, what came before it imported from an earlier run.

The cut pipeline is a compiled pipeline like any other, in which `dsl.importer` takes the place of
each artifact from a task that is left out, and a constant that of each value.
"""

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from idxpipe.components.core.errors import DataError, UsageError, meant
from idxpipe.components.core.narration import say
from idxpipe.pipeline import failure, state
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.artifact import Artifact
from idxpipe.pipeline.spec.graph import Pipeline, PipelineInput, require_plain
from idxpipe.pipeline.spec.parse import from_document
from idxpipe.pipeline.state import LATEST, Earlier, RunRecord
from idxpipe.pipeline.trust import trusted_pipeline

# Runs that are looked at for one that has what a rerun needs.
_TRIED = 20

GoOn = Callable[[RunRecord, str | None], str]


class LackingError(UsageError):
    """An earlier run did not make what a rerun needs."""


@dataclass(frozen=True)
class Rerun:
    """What there is to run.

    Attributes:
        pipeline: Its stages.
        parameters: Values of its parameters.
        force: Stages to run even when they are unchanged.
        earlier: The run that it goes on from; None runs the whole pipeline.
    """

    pipeline: Pipeline
    parameters: Mapping[str, Any]
    force: frozenset[str] = frozenset()
    earlier: Earlier | None = None


def rerun(
    root: str,
    run_id: str = LATEST,
    *,
    stages_from: str | None = None,
    only: str | None = None,
    assignments: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    pipeline: Pipeline | None = None,
    trust_record: bool = False,
    or_earlier: bool = False,
) -> Rerun:
    """Prepare to run some stages of an earlier run again.

    Args:
        root: Root of the runs.
        run_id: The earlier run: its id, the beginning of it, or `latest`.
        stages_from: Stage to start at; everything that depends on it follows.
        only: Stage to run alone, in place of `stages_from`.
        assignments: `NAME=VALUE`, to change parameters of the earlier run.
        values: Typed values, likewise; assignments come before them.
        pipeline: The pipeline, if it has changed since; by default the one that the run ran.
        trust_record: Take that one even if somebody else may have written it.
        or_earlier: Go on from an older run, and say so, if this one lacks what is needed.

    Raises:
        UsageError: If run, stage or parameter do not exist, the run lacks what is needed, or its
            commands may be somebody else's.
        DataError: If the record of the run is damaged.
    """
    newest = state.find(root, run_id)
    lacking: LackingError | None = None
    for record in [newest, *(_older(root, newest) if or_earlier else ())]:
        whole = pipeline or trusted_pipeline(record, trust=trust_record)
        require_plain(whole)
        try:
            found = plan(
                record,
                whole,
                stages_from=stages_from,
                only=only,
                assignments=assignments,
                values=values,
            )
        except LackingError as error:
            lacking = lacking or error
            continue
        if lacking:
            say(f"going on from run {record.run_id}: later ones lack {lacking.where}")
        return found
    raise lacking or UsageError("no run is recorded here", where=root)


def _older(root: str, newest: RunRecord) -> Iterator[RunRecord]:
    """Yield some runs before `newest`, the newest first, but for those that cannot be read."""
    before = [run_id for run_id in state.run_ids(root) if run_id < newest.run_id]
    for run_id in before[: -_TRIED - 1 : -1]:
        with suppress(DataError):
            yield state.load(root, run_id)


def plan(
    record: RunRecord,
    whole: Pipeline,
    *,
    stages_from: str | None = None,
    only: str | None = None,
    assignments: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    go_on: GoOn = failure.command,
) -> Rerun:
    """Prepare to run some stages of a run again, wherever it ran.

    Args:
        record: The earlier run.
        whole: The pipeline to cut.
        stages_from: Stage to start at; everything that depends on it follows.
        only: Stage to run alone, in place of `stages_from`.
        assignments: `NAME=VALUE`, to change parameters of the earlier run.
        values: Typed values, likewise; assignments come before them.
        go_on: Returns the command that goes on after a run from a stage, for the errors.

    Raises:
        UsageError: If stage or parameter do not exist, or the run lacks what is needed.
    """
    stages = select(whole, (stages_from or only) or "")
    kept = _kept(whole, record, stages, alone=only is not None)
    smaller = cut(whole, record, kept, go_on)
    before = {n: v for n, v in record.parameters.items() if n in whole.parameters}
    assigned = list(assignments)
    parameters = params.resolve(whole.parameters, assigned, {**before, **(values or {})})
    names = [assignment.partition("=")[0].strip() for assignment in assigned]
    _check_used(whole, kept, [*names, *(values or {})], before, parameters)
    force = stages if only is not None else whole.downstream(stages)
    return Rerun(smaller, parameters, force & kept, Earlier(record, whole))


def select(pipeline: Pipeline, stage: str) -> frozenset[str]:
    """Return the tasks that a stage's name means: itself, or all that begin with it.

    Args:
        pipeline: The whole pipeline.
        stage: A task's name or title, or the part of it before `-` or `[`.

    Raises:
        UsageError: If it means none.
    """
    tasks = [pipeline.tasks[name] for name in pipeline.stages]
    exact = {task.name for task in tasks if stage in {task.name, task.title}}
    prefix = re.compile(re.escape(stage) + r"[-\[]")
    begun = {task.name for task in tasks if prefix.match(task.title) or prefix.match(task.name)}
    found = exact or begun
    if not stage or not found:
        raise UsageError(
            "no such stage",
            where=pipeline.name,
            expected="one of " + ", ".join(pipeline.stages),
            found=repr(stage),
            remedy=meant(stage, pipeline.stages),
        )
    return frozenset(found)


def until(whole: Pipeline, stage: str) -> Pipeline:
    """Return the pipeline that ends with a stage: that, and all that it needs.

    Raises:
        UsageError: If there is no such stage.
    """
    stages = select(whole, stage)
    kept = stages | whole.upstream(stages)
    nothing = RunRecord("", "", whole.name, whole.digest, {})
    return cut(whole, nothing, kept)


def _kept(
    whole: Pipeline, record: RunRecord, stages: frozenset[str], *, alone: bool
) -> frozenset[str]:
    """Return the tasks to run.

    Beside the stages and what depends on them these are the tasks that the earlier run did not
    come to because it was stopped, unless the stages themselves need those.
    """
    if alone:
        return stages
    finished = {task.name for task in record.tasks.values() if task.status.finished}
    left = whole.tasks.keys() - finished - whole.upstream(stages)
    return whole.downstream(stages) | left


def _check_used(
    whole: Pipeline,
    kept: frozenset[str],
    names: Iterable[str],
    before: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> None:
    """Refuse to change a parameter that only the stages which are left out would see."""
    for name in names:
        users = [
            task.name
            for task in whole.tasks.values()
            if PipelineInput(name) in task.parameters.values()
        ]
        if before.get(name) != parameters.get(name) and users and not kept & set(users):
            raise UsageError(
                "parameter has no effect on the stages to run",
                where=name,
                found="it is used by " + ", ".join(users),
                remedy=f"leave it as it was, or rerun --from {_begin(whole, users)}",
            )


def _begin(whole: Pipeline, stages: list[str]) -> str:
    """Return what `--from` takes to mean all of `stages`: `convert` for its two splits."""
    prefix = stages[0].partition("-")[0]
    together = whole.tasks.keys() & set(stages) == select(whole, prefix)
    return prefix if together else stages[0]


def cut(
    whole: Pipeline, record: RunRecord, kept: frozenset[str], go_on: GoOn = failure.command
) -> Pipeline:
    """Return the pipeline of only the tasks `kept`, on the artifacts of an earlier run.

    Args:
        whole: The pipeline.
        record: The earlier run; of its tasks those that `kept` needs must have finished.
        kept: Names of the tasks to keep.
        go_on: Returns the command that goes on after a run from a stage, for the errors.

    Returns:
        A pipeline with the same name and parameters.

    Raises:
        UsageError: If the earlier run lacks what the kept tasks need.
    """
    document = copy.deepcopy(dict(whole.document))
    tasks = document["root"]["dag"]["tasks"]
    scissors = _Scissors(whole, record, kept, document, go_on)
    cut_tasks = {name: scissors.task(tasks[name]) for name in tasks if name in kept}
    document["root"]["dag"]["tasks"] = dict(sorted({**cut_tasks, **scissors.importers}.items()))
    _drop_outputs(document["root"], kept)
    _prune(document)
    return from_document(document, whole.platform, where=f"{whole.name} (cut)")


class _Scissors:
    """Replaces the inputs of kept tasks, and collects the importers that takes."""

    def __init__(
        self,
        whole: Pipeline,
        record: RunRecord,
        kept: frozenset[str],
        document: dict[str, Any],
        go_on: GoOn,
    ) -> None:
        self.importers: dict[str, Any] = {}
        self._whole = whole
        self._record = record
        self._kept = kept
        self._document = document
        self._go_on = go_on

    def task(self, task: dict[str, Any]) -> dict[str, Any]:
        inputs = task.get("inputs", {})
        after = {name for name in task.get("dependentTasks", []) if name in self._kept}
        for source in inputs.get("parameters", {}).values():
            output = source.get("taskOutputParameter")
            if output and output["producerTask"] not in self._kept:
                value = self._value(output["producerTask"], output["outputParameterKey"])
                source.clear()
                source["runtimeValue"] = {"constant": value}
        for source in inputs.get("artifacts", {}).values():
            output = source.get("taskOutputArtifact")
            if output and output["producerTask"] not in self._kept:
                importer = self._import(output["producerTask"], output["outputArtifactKey"])
                output.update(producerTask=importer, outputArtifactKey="artifact")
                after.add(importer)
        task.pop("dependentTasks", None)
        if after:
            task["dependentTasks"] = sorted(after)
        return task

    def _finished(self, task: str) -> state.TaskRecord:
        found = self._record.tasks.get(task)
        if found is None or not found.status.finished:
            raise LackingError(
                "earlier run has no finished output of this stage",
                where=task,
                found=f"{found.status if found else 'not there'} in run {self._record.run_id}",
                remedy=self._go_on(self._record, task),
            )
        return found

    def _value(self, task: str, key: str) -> Any:
        values = self._finished(task).outputs.parameters
        if key not in values:
            raise self._missing(task, key)
        self._refuse_placeholders(values[key], task, key)
        return values[key]

    def _import(self, task: str, key: str) -> str:
        artifacts = self._finished(task).outputs.artifacts
        if key not in artifacts:
            raise self._missing(task, key)
        artifact = artifacts[key]
        self._refuse_placeholders([artifact.uri, dict(artifact.metadata)], task, key)
        label = f"importer-{task}-{key.replace('_', '-').lower()}"
        while label in self._whole.tasks:
            label += "-2"
        if label not in self.importers:
            self.importers[label] = _importer_task(label, artifact)
            self._document["components"][f"comp-{label}"] = _importer_component(label, artifact)
            executors = self._document["deploymentSpec"]["executors"]
            executors[f"exec-{label}"] = _importer_executor(artifact)
        return label

    def _refuse_placeholders(self, value: Any, task: str, key: str) -> None:
        """Refuse what would be filled in: in constants by KFP, in an importer's metadata by `take`.

        Sources: kubeflow/pipelines, backend/src/v2/driver/resolve.go, of constants; KFP's importer
        copies metadata (component/importer_launcher.go), which local runs and Vertex AI may not, as
        sdk/python/kfp/dsl/importer_node.py writes placeholders there.
        """
        if "{{$" in json.dumps(value, ensure_ascii=False):
            raise UsageError(
                "value cannot be handed on: it would be read as a placeholder",
                where=f"{task}.{key}",
                found=repr(value),
                remedy=self._go_on(self._record, task),
            )

    def _missing(self, task: str, key: str) -> UsageError:
        return UsageError(
            "earlier run's stage has no such output; the pipeline has changed since",
            where=f"{task}.{key}",
            remedy=self._go_on(self._record, task),
        )


def _importer_task(label: str, artifact: Artifact) -> dict[str, Any]:
    return {
        "cachingOptions": {"enableCache": True},
        "componentRef": {"name": f"comp-{label}"},
        "inputs": {"parameters": {"uri": {"runtimeValue": {"constant": artifact.uri}}}},
        "taskInfo": {"name": label},
    }


def _importer_component(label: str, artifact: Artifact) -> dict[str, Any]:
    return {
        "executorLabel": f"exec-{label}",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": dict(artifact.type)}}},
    }


def _importer_executor(artifact: Artifact) -> dict[str, Any]:
    importer: dict[str, Any] = {
        "artifactUri": {"constant": artifact.uri},
        "typeSchema": dict(artifact.type),
    }
    if artifact.metadata:
        importer["metadata"] = copy.deepcopy(dict(artifact.metadata))
    return {"importer": importer}


def _drop_outputs(root: dict[str, Any], kept: frozenset[str]) -> None:
    """Drop the outputs of the whole pipeline that come from tasks which are left out."""
    for kind, outputs in root["dag"].get("outputs", {}).items():
        for name, selector in list(outputs.items()):
            if not _producers(selector) <= kept:
                del outputs[name]
                root.get("outputDefinitions", {}).get(kind, {}).pop(name, None)


def _producers(selector: Any) -> set[str]:
    if isinstance(selector, dict):
        own = {selector["producerSubtask"]} if "producerSubtask" in selector else set()
        return own.union(*map(_producers, selector.values()))
    if isinstance(selector, list):
        return set().union(*map(_producers, selector))
    return set()


def _prune(document: dict[str, Any]) -> None:
    """Drop the components and executors that no task uses any more."""
    components = document["components"]
    dags = [document["root"]["dag"]]
    used: set[str] = set()
    for dag in dags:
        names = {task["componentRef"]["name"] for task in dag["tasks"].values()}
        dags += [components[name]["dag"] for name in names - used if "dag" in components[name]]
        used |= names
    document["components"] = {n: c for n, c in components.items() if n in used}
    labels = {component.get("executorLabel") for component in document["components"].values()}
    executors = document["deploymentSpec"]["executors"]
    document["deploymentSpec"]["executors"] = {n: e for n, e in executors.items() if n in labels}
