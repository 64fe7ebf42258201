"""A compiled pipeline, as KFP's compiler writes it: checked, typed, in dependency order.

The format is `PipelineSpec` of kubeflow/pipelines, api/v2alpha1/pipeline_spec.proto, as YAML.
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import WEB, DataError, UsageError
from idxpipe.pipeline.spec.document import Node, load_documents
from idxpipe.pipeline.spec.graph import (
    Component,
    Constant,
    Container,
    Importer,
    Parameter,
    Pipeline,
    PipelineInput,
    Retry,
    Source,
    Task,
    TaskOutput,
)


def load(uri: str) -> Pipeline:
    """Read a compiled pipeline.

    Raises:
        DataError: If there is no such file or it is not a compiled pipeline.
    """
    return parse(storage.read_document(uri), uri)


def load_compiled(path: str) -> Pipeline:
    """Read the pipeline that a command runs.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is not a compiled pipeline.
    """
    if storage.scheme(path) in WEB:
        raise UsageError(
            "a pipeline from the web is not run: its commands are a program",
            where=path,
            remedy="fetch it, look at it, and name the local file",
        )
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
    return _pipeline(documents[0], _platform(documents, where), source, where)


def from_document(
    document: Mapping[str, Any], platform: Mapping[str, Any] | None = None, where: str = "pipeline"
) -> Pipeline:
    """Check and type a compiled pipeline that is read already.

    Args:
        document: The pipeline.
        platform: Its platforms' settings.
        where: What to call it in errors.

    Raises:
        DataError: If it is not a compiled pipeline.
    """
    return _pipeline(document, platform, dump(document, platform), where)


def _pipeline(
    document: Any, platform: Mapping[str, Any] | None, source: bytes, where: str
) -> Pipeline:
    root = Node(document, where)
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
    pipeline = Pipeline(
        name=root["pipelineInfo"]["name"].text(),
        source=source,
        document=root.mapping(),
        platform=platform,
        parameters=_parameters(root["root"].get("inputDefinitions", {})),
        tasks=_ordered(tasks, where),
    )
    _check_sources(pipeline, where)
    return pipeline


def dump(document: Mapping[str, Any], platform: Mapping[str, Any] | None = None) -> bytes:
    """Return a pipeline as YAML, which `parse` reads back."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            # KFP's own loader takes them, readers of the file do not.
            return True

    documents = [dict(document)] + ([dict(platform)] if platform is not None else [])
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=True, allow_unicode=True).encode()


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
    graph = TopologicalSorter({name: task.upstream for name, task in tasks.items()})
    try:
        graph.prepare()
    except CycleError as error:
        raise DataError(
            "tasks wait for each other", where=where, found=" -> ".join(reversed(error.args[1]))
        ) from None
    place = {name: number for number, name in enumerate(tasks)}
    done: dict[str, Task] = {}
    while graph.is_active():
        ready = sorted(graph.get_ready(), key=place.__getitem__)
        done |= {name: tasks[name] for name in ready}
        graph.done(*ready)
    return done


def _check_sources(pipeline: Pipeline, where: str) -> None:
    """Refuse inputs that name a parameter or an output which nobody declares."""
    for task in pipeline.tasks.values():
        for kind, sources in (("parameter", task.parameters), ("artifact", task.artifacts)):
            for name, source in sources.items():
                known, wanted = _declared(pipeline, kind, source)
                if known is not None and wanted not in known:
                    raise DataError(
                        f"input {kind} comes from nowhere",
                        where=f"{where}: {task.name}.{name}",
                        expected="one of " + ", ".join(known),
                        found=wanted,
                    )


def _declared(
    pipeline: Pipeline, kind: str, source: Source
) -> tuple[Mapping[str, Any] | None, str]:
    """Return what is declared where a source points to, if that can be told, and its name."""
    if isinstance(source, PipelineInput):
        return pipeline.parameters, source.name
    if isinstance(source, TaskOutput) and not pipeline.tasks[source.task].constructs:
        component = pipeline.tasks[source.task].component
        parameters = kind == "parameter"
        known = component.output_parameters if parameters else component.output_artifacts
        return known, source.key
    return None, ""
