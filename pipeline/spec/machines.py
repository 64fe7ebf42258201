"""Which image and machine each stage of a compiled pipeline runs on."""

from dataclasses import dataclass
from typing import Any

from idxpipe.pipeline.spec.graph import Container, Pipeline, Task

# What Vertex AI Pipelines takes for a container that asks for nothing.
# Source: https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
DEFAULT_MACHINE = "e2-standard-4"


@dataclass(frozen=True)
class Stage:
    """A stage that runs on a machine.

    Attributes:
        name: Name of the task.
        image: Container image.
        machine: Machine type.
        accelerator: Type of the accelerator attached to it; empty if none or part of the machine.
        count: How many of them.
        custom: Whether it is a custom job with a machine of its own.
    """

    name: str
    image: str
    machine: str = DEFAULT_MACHINE
    accelerator: str = ""
    count: int = 0
    custom: bool = False


def stages(pipeline: Pipeline) -> list[Stage]:
    """Return the stages of a pipeline in order; importers run on no machine."""
    return [
        _stage(task, task.executor)
        for task in pipeline.tasks.values()
        if isinstance(task.executor, Container)
    ]


def _stage(task: Task, container: Container) -> Stage:
    pools: Any = task.component.input_parameters.get("worker_pool_specs")
    if pools is None or not pools.default:
        return Stage(task.name, container.image)
    pool = pools.default[0]
    machine = pool["machine_spec"]
    return Stage(
        task.name,
        pool["container_spec"]["image_uri"],
        machine["machine_type"],
        machine.get("accelerator_type", ""),
        int(machine.get("accelerator_count", 0)),
        custom=True,
    )
