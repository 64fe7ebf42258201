"""A compiled pipeline, as KFP's compiler writes it: checked, typed, in dependency order.

The format is `PipelineSpec` of kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, as YAML.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline.spec.document import Node, load_documents


@dataclass(frozen=True)
class Constant:
    """An input with a fixed value."""

    value: Any


@dataclass(frozen=True)
class PipelineInput:
    """An input that is the pipeline's parameter `name`."""

    name: str


@dataclass(frozen=True)
class TaskOutput:
    """An input that is the output `key` of the task `task`."""

    task: str
    key: str


Source = Constant | PipelineInput | TaskOutput

# Source: the image of CustomTrainingJobOp in google-cloud-pipeline-components.
_LAUNCHER = "google-cloud-pipeline-components"


@dataclass(frozen=True)
class Parameter:
    """A declared parameter: of the pipeline, or into or out of a component."""

    type: str
    default: Any = None
    optional: bool = False
    description: str = ""

    @property
    def required(self) -> bool:
        """Tell whether a value must be given."""
        return not self.optional and self.default is None


@dataclass(frozen=True)
class Component:
    """The interface of a task: what goes in and what comes out, artifacts with their type."""

    input_parameters: Mapping[str, Parameter]
    input_artifacts: Mapping[str, Mapping[str, Any]]
    output_parameters: Mapping[str, Parameter]
    output_artifacts: Mapping[str, Mapping[str, Any]]
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """A command in an image."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Importer:
    """Takes an artifact that already exists. `uri` is None where the input `uri` gives it."""

    uri: str | None
    type: Mapping[str, Any]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Retry:
    """How often a failed task is tried again, and how many seconds are waited before that."""

    count: int = 0
    pause: float = 0.0
    factor: float = 2.0
    longest: float = 3600.0

    def pause_before(self, attempt: int) -> float:
        """Return the seconds to wait before attempt 1, 2, ... after the first."""
        return float(min(self.longest, self.pause * self.factor ** (attempt - 1)))


@dataclass(frozen=True)
class Task:
    """One node of the graph."""

    name: str
    title: str
    component: Component
    executor: Container | Importer | None
    parameters: Mapping[str, Source]
    artifacts: Mapping[str, Source]
    upstream: frozenset[str]
    cacheable: bool
    retry: Retry = Retry()
    constructs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    """A whole compiled pipeline; `tasks` are in dependency order."""

    name: str
    source: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    platform: Mapping[str, Any] | None = field(repr=False)
    parameters: Mapping[str, Parameter]
    tasks: Mapping[str, Task]

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return hashlib.sha256(self.source).hexdigest()

    def downstream(self, names: Iterable[str]) -> frozenset[str]:
        """Return the tasks `names` and every task that needs one of them, however indirectly."""
        found = set(names)
        for task in self.tasks.values():
            if task.upstream & found:
                found.add(task.name)
        return frozenset(found)

    def upstream(self, names: Iterable[str]) -> frozenset[str]:
        """Return every task that one of `names` needs, however indirectly, without `names`."""
        wanted = set(names)
        found: set[str] = set()
        for task in reversed(list(self.tasks.values())):
            if task.name in wanted | found:
                found |= task.upstream
        return frozenset(found - wanted)


def load(uri: str) -> Pipeline:
    """Read a compiled pipeline.

    Raises:
        DataError: If there is no such file or it is not a compiled pipeline.
    """
    return parse(storage.read(uri), uri)


def load_compiled(path: str) -> Pipeline:
    """Read the pipeline that a command runs.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is not a compiled pipeline.
    """
    if not storage.exists(path):
        raise UsageError(
            "no compiled pipeline here",
            where=path,
            remedy="go to the folder that has it, name it with --pipeline, or make it: "
            "idxpipe compile",
        )
    return load(path)


def parse(source: bytes, where: str = "pipeline") -> Pipeline:
    """Check and type the text of a compiled pipeline.

    Args:
        source: YAML: the pipeline, and perhaps a second document with its platforms' settings.
        where: What to call it in errors.

    Raises:
        DataError: If it is not a compiled pipeline.
    """
    documents = load_documents(source, where)
    if not documents:
        raise Node(None, where).error(expected="a YAML document", found="an empty file")
    root = Node(documents[0], where)
    version = root.get("schemaVersion", "").text()
    if not version.startswith("2."):
        raise root.error(expected="schemaVersion 2.x", found=repr(version))
    executors = {
        name: _executor(node) for name, node in root["deploymentSpec"].get("executors", {}).items()
    }
    components = {name: (_component(n), n) for name, n in root.get("components", {}).items()}
    tasks = {
        name: _task(name, node, components, executors)
        for name, node in root["root"]["dag"]["tasks"].items()
    }
    inputs = root["root"].get("inputDefinitions", {})
    pipeline = Pipeline(
        name=root["pipelineInfo"]["name"].text(),
        source=source,
        document=root.mapping(),
        platform=_platform(documents, where),
        parameters=_parameters(inputs),
        tasks=_ordered(tasks, where),
    )
    _check_sources(pipeline, where)
    return pipeline


def dump(document: Mapping[str, Any], platform: Mapping[str, Any] | None = None) -> bytes:
    """Return a pipeline as YAML, which `parse` reads back."""
    documents = [dict(document)] + ([dict(platform)] if platform is not None else [])
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, allow_unicode=True).encode()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        # KFP's own loader takes them, readers of the file do not.
        return True


def require_plain(pipeline: Pipeline) -> None:
    """Refuse what only a cluster can run.

    Raises:
        UsageError: Naming every such task and what is special about it.
    """
    found = _special(pipeline)
    if found:
        raise UsageError(
            "pipeline uses what cannot run on this machine",
            where=pipeline.name,
            expected="tasks with a container or an importer, without conditions",
            found="; ".join(found),
            remedy="submit it to Vertex AI Pipelines or Kubeflow, or take these tasks out",
        )


def require_parts(pipeline: Pipeline) -> None:
    """Refuse to cut what has inputs that only a cluster can compute.

    Raises:
        UsageError: Naming every such task and what is special about it.
    """
    found = _special(pipeline)
    if found:
        raise UsageError(
            "pipeline cannot be cut into stages",
            where=pipeline.name,
            expected="tasks with a container, without loops and conditions",
            found="; ".join(found),
            remedy="submit it as a whole",
        )


def _special(pipeline: Pipeline) -> list[str]:
    return [f"{task.name}: {c}" for task in pipeline.tasks.values() for c in task.constructs]


def require_here(pipeline: Pipeline) -> None:
    """Refuse tasks whose container only asks Vertex AI to run something else.

    Raises:
        UsageError: Naming every such task.
    """
    found = [
        task.name
        for task in pipeline.tasks.values()
        if isinstance(task.executor, Container) and _LAUNCHER in task.executor.image
    ]
    if found:
        raise UsageError(
            "pipeline was compiled for machines of Vertex AI",
            where=pipeline.name,
            expected="stages that run in their own container",
            found=f"a custom job: {', '.join(found)}",
            remedy="submit it to Vertex AI, or run one compiled without --accelerator",
        )


def _platform(documents: list[Any], where: str) -> Mapping[str, Any] | None:
    if len(documents) == 1:
        return None
    second = Node(documents[1], where, "second document")
    if len(documents) > 2 or "platforms" not in second:
        raise second.error(expected="platforms, and no third document", found="something else")
    return second.mapping()


def _parameters(definitions: Node) -> dict[str, Parameter]:
    return {
        name: Parameter(
            type=node["parameterType"].text(),
            default=node.get("defaultValue").value,
            optional=node.get("isOptional", False).flag(),
            description=node.get("description", "").text(),
        )
        for name, node in definitions.get("parameters", {}).items()
    }


def _artifacts(definitions: Node) -> dict[str, Mapping[str, Any]]:
    return {
        name: node["artifactType"].mapping()
        for name, node in definitions.get("artifacts", {}).items()
    }


def _component(node: Node) -> Component:
    inputs, outputs = node.get("inputDefinitions", {}), node.get("outputDefinitions", {})
    return Component(
        input_parameters=_parameters(inputs),
        input_artifacts=_artifacts(inputs),
        output_parameters=_parameters(outputs),
        output_artifacts=_artifacts(outputs),
        definition={"inputs": inputs.mapping(), "outputs": outputs.mapping()},
    )


def _executor(node: Node) -> Container | Importer | str:
    if "container" in node:
        container = node["container"]
        env = {e["name"].text(): e["value"].text() for e in container.get("env", []).nodes()}
        return Container(
            image=container["image"].text(),
            command=container.get("command", []).texts(),
            args=container.get("args", []).texts(),
            env=env,
        )
    if "importer" in node:
        importer = node["importer"]
        uri = importer["artifactUri"]
        return Importer(
            uri=uri["constant"].text() if "constant" in uri else None,
            type=importer["typeSchema"].mapping(),
            metadata=importer.get("metadata", {}).mapping(),
        )
    return next(iter(node.mapping()), "nothing")


def _task(
    name: str,
    node: Node,
    components: Mapping[str, tuple[Component, Node]],
    executors: Mapping[str, Container | Importer | str],
) -> Task:
    reference = node["componentRef"]["name"]
    if reference.text() not in components:
        raise reference.error(expected="a component of this file", found=reference.text())
    component, definition = components[reference.text()]
    executor: Container | Importer | str | None = None
    if "executorLabel" in definition:
        label = definition["executorLabel"]
        executor = executors.get(label.text())
        if executor is None:
            raise label.error(expected="an executor of this file", found=label.text())
    inputs = node.get("inputs", {})
    parameters = {key: _source(n) for key, n in inputs.get("parameters", {}).items()}
    artifacts = {key: _source(n) for key, n in inputs.get("artifacts", {}).items()}
    sources = [*parameters.values(), *artifacts.values()]
    upstream = {source.task for source in sources if isinstance(source, TaskOutput)}
    return Task(
        name=name,
        title=node.get("taskInfo", {}).get("name", name).text(),
        component=component,
        executor=None if isinstance(executor, str) else executor,
        parameters={k: s for k, s in parameters.items() if not isinstance(s, str)},
        artifacts={k: s for k, s in artifacts.items() if not isinstance(s, str)},
        upstream=frozenset(upstream | set(node.get("dependentTasks", []).texts())),
        cacheable=node.get("cachingOptions", {}).get("enableCache", False).flag(),
        retry=_retry(node.get("retryPolicy", {})),
        constructs=_constructs(node, definition, executor, sources),
    )


def _retry(node: Node) -> Retry:
    def seconds(name: str, default: float) -> float:
        text = node.get(name, f"{default}s").text()
        try:
            return float(text.removesuffix("s"))
        except ValueError:
            raise node[name].error(expected="seconds, such as 30s", found=text) from None

    return Retry(
        count=int(node.get("maxRetryCount", 0).number()),
        pause=seconds("backoffDuration", Retry.pause),
        factor=node.get("backoffFactor", Retry.factor).number(),
        longest=seconds("backoffMaxDuration", Retry.longest),
    )


def _source(node: Node) -> Source | str:
    """Return where an input comes from; the field's name where only a cluster can tell."""
    if "parameterExpressionSelector" in node:
        return "parameterExpressionSelector"
    if "taskOutputParameter" in node:
        output = node["taskOutputParameter"]
        return TaskOutput(output["producerTask"].text(), output["outputParameterKey"].text())
    if "taskOutputArtifact" in node:
        output = node["taskOutputArtifact"]
        return TaskOutput(output["producerTask"].text(), output["outputArtifactKey"].text())
    if "componentInputParameter" in node:
        return PipelineInput(node["componentInputParameter"].text())
    if "runtimeValue" in node and "constant" in node["runtimeValue"]:
        return Constant(node["runtimeValue"]["constant"].value)
    return next(iter(node.mapping()), "no source")


def _constructs(
    node: Node,
    definition: Node,
    executor: Container | Importer | str | None,
    sources: list[Source | str],
) -> tuple[str, ...]:
    """Name what a task has beyond a container or importer with inputs."""
    found = []
    if "parameterIterator" in node or "artifactIterator" in node:
        found.append("a loop (dsl.ParallelFor)")
    trigger = node.get("triggerPolicy", {})
    if "condition" in trigger:
        found.append("a condition (dsl.If)")
    if trigger.get("strategy", "").text() == "ALL_UPSTREAM_TASKS_COMPLETED":
        found.append("an exit handler (dsl.ExitHandler)")
    if "dag" in definition:
        found.append("a pipeline inside the pipeline (a sub-DAG)")
    if isinstance(executor, str):
        found.append(f"an executor of kind {executor!r}")
    if isinstance(executor, Container) and not executor.command:
        found.append("a container that relies on its image's entry point")
    found += [f"an input of kind {source!r}" for source in sources if isinstance(source, str)]
    for side in ("inputDefinitions", "outputDefinitions"):
        for name, artifact in definition.get(side, {}).get("artifacts", {}).items():
            if artifact.get("isArtifactList", False).flag():
                found.append(f"a list of artifacts ({name!r})")
    return tuple(found)


def _ordered(tasks: Mapping[str, Task], where: str) -> dict[str, Task]:
    """Return the tasks such that each comes after those it needs."""
    for task in tasks.values():
        missing = sorted(task.upstream - tasks.keys())
        if missing:
            raise DataError(
                "task depends on a task that is not there",
                where=f"{where}: {task.name}",
                expected="one of " + ", ".join(tasks),
                found=missing[0],
            )
    done: dict[str, Task] = {}
    while len(done) < len(tasks):
        ready = [t for t in tasks.values() if t.name not in done and t.upstream <= done.keys()]
        if not ready:
            raise DataError(
                "tasks wait for each other",
                where=where,
                found=", ".join(name for name in tasks if name not in done),
            )
        done |= {task.name: task for task in ready}
    return done


def _check_sources(pipeline: Pipeline, where: str) -> None:
    """Refuse inputs that name a parameter or an output which nobody declares."""
    for task in pipeline.tasks.values():
        for kind, sources in (("parameter", task.parameters), ("artifact", task.artifacts)):
            for name, source in sources.items():
                if isinstance(source, PipelineInput):
                    known: Iterable[str] = pipeline.parameters
                    wanted = source.name
                elif isinstance(source, TaskOutput):
                    producer = pipeline.tasks[source.task].component
                    known = (
                        producer.output_parameters
                        if kind == "parameter"
                        else producer.output_artifacts
                    )
                    if pipeline.tasks[source.task].constructs:
                        continue
                    wanted = source.key
                else:
                    continue
                if wanted not in known:
                    raise DataError(
                        f"input {kind} comes from nowhere",
                        where=f"{where}: {task.name}.{name}",
                        expected="one of " + ", ".join(known),
                        found=wanted,
                    )
