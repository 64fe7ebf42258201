"""A compiled pipeline as data: its tasks, and where each of their inputs comes from."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from idxpipe.components.core.errors import UsageError


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

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the names of the tasks that run something."""
        return tuple(n for n, t in self.tasks.items() if not isinstance(t.executor, Importer))

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
