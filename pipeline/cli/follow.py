"""The end of a job: its record, or the error that it ended in."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.cli.options import poll_of
from idxpipe.pipeline.cli.wording import data_of, flags, summary, word

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Place


def follow_to_the_end(args: argparse.Namespace, vertex: "Vertex", job_id: str) -> tuple[Any, str]:
    """Wait for the end of a run; return its record, or raise the error that it ended in.

    Raises:
        IdxpipeError: With the exit code of the stage that failed, where the API tells it.
    """
    from idxpipe.pipeline.cli.watch import Look, follow
    from idxpipe.pipeline.failure import error_of
    from idxpipe.pipeline.vertex.client import console
    from idxpipe.pipeline.vertex.record import FINAL, problem_of, read

    def look() -> Look[dict[str, Any]]:
        job = vertex.get(job_id)
        return Look(job, read(job).record, job.get("state") in FINAL)

    try:
        job = follow(look, poll_of(args)).found
    except KeyboardInterrupt:
        place = flags(vertex.place)
        say(f"{job_id} runs on; idxpipe wait {job_id} {place}, or idxpipe cancel {job_id} {place}")
        raise
    record = read(job).record
    problem = problem_of(job)
    if problem:
        record = dataclasses.replace(record, tasks={**record.tasks, problem.name: problem})
    error = error_of(_with_log_commands(vertex.place, record), _go_on(vertex.place))
    if error:
        raise error
    if job.get("state") != "PIPELINE_STATE_SUCCEEDED":
        raise IdxpipeError(
            "run did not succeed",
            where=job_id,
            found=word(job),
            remedy=f"look at it: {console(vertex.place, job_id)}",
        )
    return data_of(vertex.place, job, record), "\n".join(summary(record))


def _go_on(place: "Place") -> Callable[["RunRecord", str | None], str]:
    """Return what words the command that goes on after a run."""
    from idxpipe.pipeline.vertex.client import go_on

    def command(record: "RunRecord", stage: str | None) -> str:
        # The error of the job itself stands among its stages.
        stages = {name: task for name, task in record.tasks.items() if name != record.run_id}
        return go_on(place, dataclasses.replace(record, tasks=stages), stage)

    return command


def _with_log_commands(place: "Place", record: "RunRecord") -> "RunRecord":
    """Return the record, each stage with the command that says where its log is."""
    tasks = {
        name: dataclasses.replace(
            task, log=f"idxpipe logs {record.run_id} {name} {flags(place)}" if task.log else None
        )
        for name, task in record.tasks.items()
    }
    return dataclasses.replace(record, tasks=tasks)
