"""Looking after runs on Vertex AI Pipelines."""

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.services.wording import data_of, flags, id_of, word
from idxpipe.pipeline.cli.summary import summary

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Place

_JOB_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)")


def vertex_at(project: str, region: str, endpoint: str) -> "Vertex":
    """Return the service at a place.

    Raises:
        UsageError: If project, region or address is missing or invalid.
    """
    from idxpipe.components.core.google.rest import check_endpoint
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Place

    place = Place(project, region)
    if endpoint:
        check_endpoint(endpoint)
    return Vertex(place, endpoint)


@dataclasses.dataclass(frozen=True)
class OnVertex:
    """Vertex AI Pipelines, as `service.Service` describes one.

    Attributes:
        project: Google Cloud project.
        region: Its region.
        endpoint: Address of the service; empty is the region's.
    """

    project: str
    region: str
    endpoint: str

    def find(self, job: str) -> tuple["Vertex", str]:
        """Return the service and the id of the job that is meant.

        A resource name brings its own project and region.

        Raises:
            UsageError: If it cannot be one.
        """
        match = _JOB_NAME.search(job)
        project, region, job_id = match.groups() if match else (self.project, self.region, job)
        vertex = vertex_at(project, region, self.endpoint)
        vertex.place.job(job_id)
        return vertex, job_id

    def status(self, job: str) -> Outcome:
        """Show one run."""
        from idxpipe.pipeline.vertex.client import console
        from idxpipe.pipeline.vertex.record import problem_of, read

        vertex, job_id = self.find(job)
        found = vertex.get(job_id)
        record = read(found).record
        problem = problem_of(found)
        failed = [task for task in record.tasks.values() if task.error]
        lines = [
            f"{job_id}: {word(found)}",
            console(vertex.place, job_id),
            "",
            *summary(record),
            *(f"\n{t.name}: {t.error}" for t in [*failed, *([problem] if problem else [])]),
        ]
        return Outcome(data_of(vertex.place, found, record), "\n".join(lines))

    def follow(self, job: str, poll: float) -> Outcome:
        """Wait for the end of a run; return its record, or raise the error that it ended in.

        Raises:
            IdxpipeError: With the exit code of the stage that failed, where the API tells it.
        """
        from idxpipe.pipeline.cli.services.watch import Look, follow
        from idxpipe.pipeline.vertex.client import console
        from idxpipe.pipeline.vertex.record import FINAL, read

        vertex, job_id = self.find(job)

        def look() -> Look[dict[str, Any]]:
            seen = vertex.get(job_id)
            return Look(seen, read(seen).record, seen.get("state") in FINAL)

        try:
            found = follow(look, poll).found
        except KeyboardInterrupt:
            place = flags(vertex.place)
            again, cancel = (f"idxpipe {name} {job_id} {place}" for name in ("wait", "cancel"))
            say(f"{job_id} runs on; {again}, or {cancel}")
            raise
        record = read(found).record
        error = _error_of(vertex.place, found, record)
        if error:
            raise error
        if found.get("state") != "PIPELINE_STATE_SUCCEEDED":
            raise IdxpipeError(
                "run did not succeed",
                where=job_id,
                found=word(found),
                remedy=f"look at it: {console(vertex.place, job_id)}",
            )
        return Outcome(data_of(vertex.place, found, record), "\n".join(summary(record)))

    def cancel(self, job: str) -> Outcome:
        """Cancel one run."""
        vertex, job_id = self.find(job)
        vertex.cancel(job_id)
        return Outcome({"job": job_id, "cancelling": True}, f"{job_id} is being cancelled")

    def logs(self, job: str, stage: str) -> Outcome:
        """Say where the logs of one run are."""
        from idxpipe.pipeline.rerun import select
        from idxpipe.pipeline.vertex.client import console, logging_command
        from idxpipe.pipeline.vertex.record import read

        vertex, job_id = self.find(job)
        found = vertex.get(job_id)
        stages = sorted(select(read(found).whole, stage)) if stage else [""]
        commands = [logging_command(vertex.place, found, name) for name in stages]
        url = console(vertex.place, job_id)
        data = {"job": job_id, "console": url, "commands": commands}
        return Outcome(data, "\n".join([url, *commands]))

    def list(self, limit: int, expression: str) -> Outcome:
        """List runs."""
        from idxpipe.pipeline.cli.tables import table

        vertex = vertex_at(self.project, self.region, self.endpoint)
        jobs = vertex.jobs(expression, limit)
        rows = [
            (
                id_of(job),
                word(job),
                str(job.get("createTime", ""))[:19],
                str(job.get("displayName", "")),
            )
            for job in jobs
        ]
        data = [{k: v for k, v in job.items() if k != "pipelineSpec"} for job in jobs]
        return Outcome(data, table("job", "status", "created", "name", rows=rows))


def _error_of(place: "Place", job: dict[str, Any], record: "RunRecord") -> IdxpipeError | None:
    """Return the error that a run ended in, with the commands that tell more and go on."""
    from idxpipe.pipeline.failure import error_of
    from idxpipe.pipeline.vertex.client import go_on
    from idxpipe.pipeline.vertex.record import problem_of

    def command(record: "RunRecord", stage: str | None) -> str:
        # The error of the job itself stands among its stages.
        stages = {name: task for name, task in record.tasks.items() if name != record.run_id}
        return go_on(place, dataclasses.replace(record, tasks=stages), stage)

    problem = problem_of(job)
    tasks = {
        name: dataclasses.replace(
            task, log=f"idxpipe logs {record.run_id} {name} {flags(place)}" if task.log else None
        )
        for name, task in [*record.tasks.items(), *([(problem.name, problem)] if problem else [])]
    }
    return error_of(dataclasses.replace(record, tasks=tasks), command)
