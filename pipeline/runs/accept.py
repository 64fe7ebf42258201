"""Takes the result of a stage for what its code of today would make."""

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.local import cache
from idxpipe.pipeline.local.identity import differences, key_of, parts_of
from idxpipe.pipeline.rerun import select
from idxpipe.pipeline.spec.graph import Container
from idxpipe.pipeline.state import RunRecord
from idxpipe.pipeline.trust import pipeline_of

# Another input or parameter is another result, whatever anybody thinks of it.
_OF_CODE = ("code", "versions", "component", "image", "env")


def accept(record: RunRecord, stage: str) -> dict[str, list[str]]:
    """Record that a stage's result in a run is as good as what its code of today would make.

    Args:
        record: The run.
        stage: A stage, or what the names of several begin with.

    Returns:
        For each stage what has changed since: source files, versions, the image.

    Raises:
        UsageError: If there is no such stage, or it has no result.
    """
    pipeline = pipeline_of(record)
    accepted = {}
    for name in sorted(select(pipeline, stage)):
        made, task = record.tasks.get(name), pipeline.tasks[name]
        before = cache.read_record(made.folder) if made and made.folder else None
        if made is None or not made.status.finished or not made.key or before is None:
            raise UsageError(
                "this run has no result of the stage to accept",
                where=record.run_id,
                found=f"{name} {made.status if made else 'is not part of it'}",
                remedy="take another run with --run; idxpipe runs lists them",
            )
        container = task.executor
        if not isinstance(container, Container) or "parts" not in before:
            continue
        today = parts_of(task, container, made.inputs)
        now = {**before["parts"], **{name: today[name] for name in _OF_CODE}}
        changed = differences(before["parts"], now)
        if changed:
            cache.accept(record.root, name, made.key, key_of(now), changed)
        accepted[name] = changed
    return accepted
