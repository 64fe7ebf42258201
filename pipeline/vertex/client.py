"""Vertex AI Pipelines over its REST API: create, get, list and cancel jobs and schedules.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.schedules
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from idxpipe.components.core.errors import NotFoundError, UsageError
from idxpipe.components.core.google.rest import Client, ConflictError, vertex_client
from idxpipe.pipeline.failure import stopped_at
from idxpipe.pipeline.state import Earlier, RunRecord
from idxpipe.pipeline.vertex.record import job_of_task, read
from idxpipe.pipeline.vertex.request import Place

_SCHEDULE_ID = re.compile(r"\d{1,30}")
_PAGE = 100


@dataclass(frozen=True)
class Vertex:
    """The jobs and schedules of one project in one region.

    Attributes:
        place: Project and region.
        endpoint: Address of the service; by default the region's.
    """

    place: Place
    endpoint: str = ""

    @cached_property
    def client(self) -> Client:
        """The connection."""
        return vertex_client(self.place.region, self.endpoint, self._advise)

    def create(self, job: Mapping[str, Any], job_id: str) -> dict[str, Any]:
        """Create a job; it starts at once. Sent twice, it is still one job: we choose the id.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        path = f"/v1/{self.place.parent}/pipelineJobs"
        try:
            return self.client.call("POST", path, query={"pipelineJobId": job_id}, body=job)
        except ConflictError as error:
            if not error.retried:
                raise
            # The answer to the first attempt was lost, the job was not.
            return self.get(job_id)

    def get(self, job_id: str) -> dict[str, Any]:
        """Return a job.

        Raises:
            UsageError: If there is none, or that cannot be an id.
            IdxpipeError: As `Client.call`.
        """
        return self.client.call("GET", "/v1/" + self.place.job(job_id))

    def find(self, job_id: str, job: Mapping[str, Any] | None = None) -> Earlier:
        """Return the record of a job, and the whole pipeline that it is a run of.

        Args:
            job_id: Its id.
            job: The job, if it is at hand.

        Raises:
            DataError: If the job runs a different kind of pipeline.
            IdxpipeError: As `get`.
        """

        def fetch(earlier: str) -> dict[str, Any] | None:
            try:
                return self.get(earlier)
            except NotFoundError:
                return None

        return read(job or self.get(job_id), fetch)

    def jobs(self, expression: str = "", limit: int = 20) -> list[dict[str, Any]]:
        """Return jobs, the newest first, without their details.

        Args:
            expression: Filter in the API's language, such as `state="PIPELINE_STATE_FAILED"`.
            limit: How many at most.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        query = {"orderBy": "create_time desc", "pageSize": str(min(limit, _PAGE))}
        if expression:
            query["filter"] = expression
        path = f"/v1/{self.place.parent}/pipelineJobs"
        return list(islice(self._pages(path, "pipelineJobs", query), limit))

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job; it may take some minutes.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        self.client.call("POST", f"/v1/{self.place.job(job_id)}:cancel", body={})

    def schedule_of(
        self, job: Mapping[str, Any], cron: str, name: str, max_runs: int = 0
    ) -> dict[str, Any]:
        """Return the schedule to create.

        Args:
            job: The PipelineJob to create each time, one at a time.
            cron: When, as the API takes it.
            name: What to call the schedule.
            max_runs: How many jobs at most; 0 sets no limit.
        """
        schedule: dict[str, Any] = {
            "displayName": name,
            "cron": cron,
            # int64 is text in the API's JSON.
            "maxConcurrentRunCount": "1",
            "createPipelineJobRequest": {"parent": self.place.parent, "pipelineJob": dict(job)},
        }
        if max_runs:
            schedule["maxRunCount"] = str(max_runs)
        return schedule

    def create_schedule(
        self, job: Mapping[str, Any], cron: str, name: str, max_runs: int = 0
    ) -> dict[str, Any]:
        """Create the schedule that `schedule_of` describes.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        schedule = self.schedule_of(job, cron, name, max_runs)
        path = f"/v1/{self.place.parent}/schedules"
        # Sent twice it would be two schedules: the API takes no id of ours.
        return self.client.call("POST", path, body=schedule, repeatable=False)

    def schedules(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return the schedules.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        path = f"/v1/{self.place.parent}/schedules"
        query = {"pageSize": str(_PAGE)}
        return list(islice(self._pages(path, "schedules", query), limit))

    def delete_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; jobs that it created go on.

        Raises:
            UsageError: If there is none, or that cannot be an id.
            IdxpipeError: As `Client.call`.
        """
        if not _SCHEDULE_ID.fullmatch(schedule_id):
            raise UsageError(
                "not the id of a schedule",
                where="--delete",
                expected="a number",
                found=repr(schedule_id),
                remedy="idxpipe schedule --list",
            )
        self.client.call("DELETE", f"/v1/{self.place.parent}/schedules/{schedule_id}")

    def _pages(self, path: str, key: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        client, token = self.client, ""
        while True:
            page = client.call("GET", path, query=query | ({"pageToken": token} if token else {}))
            yield from page.get(key, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _advise(self, status: int, message: str) -> str | None:
        project = self.place.project
        if status == 404:
            return f"idxpipe list {_flags(self.place)}"
        if status != 403:
            return None
        if "has not been used in project" in message or "is disabled" in message:
            return f"gcloud services enable aiplatform.googleapis.com --project {project}"
        role = "iam.serviceAccountUser" if "actAs" in message else "aiplatform.user"
        return (
            f"gcloud projects add-iam-policy-binding {project} --role roles/{role} "
            "--member user:YOUR_ADDRESS"
        )


def console(place: Place, job_id: str) -> str:
    """Return the URL of a job in the Google Cloud console."""
    return (
        f"https://console.cloud.google.com/vertex-ai/locations/{place.region}"
        f"/pipelines/runs/{job_id}?project={place.project}"
    )


def logging_command(place: Place, job: Mapping[str, Any], task: str = "") -> str:
    """Return the command that prints the logs of a job, or of one task.

    What a stage prints is logged under the custom job that it runs as; events of the job itself,
    under the job. Monitored resources: https://cloud.google.com/monitoring/api/resources

    Raises:
        UsageError: If the task did not get as far as a custom job.
    """
    job_id = str(job["name"]).rpartition("/")[2]
    if task:
        custom_job = job_of_task(job, task)
        if custom_job is None:
            raise UsageError(
                "stage has no log",
                where=task,
                found="it did not start, or its result was taken from the cache",
                remedy=f"idxpipe status {job_id} {_flags(place)}",
            )
        what = f'resource.type="ml_job" AND resource.labels.job_id="{custom_job}"'
    else:
        what = (
            'resource.type="aiplatform.googleapis.com/PipelineJob" AND '
            f'resource.labels.pipeline_job_id="{job_id}"'
        )
    # By default only the last day is read, and the newest entry comes first.
    words = ["gcloud", "logging", "read", what, "--project", place.project, "--order", "asc"]
    form = "value(timestamp,severity,jsonPayload.message,textPayload)"
    return shlex.join([*words, "--freshness", "30d", "--format", form])


def go_on(place: Place, record: RunRecord, stage: str | None = None) -> str:
    """Return the shell command that goes on after a job.

    Args:
        place: Where the job ran.
        record: The job.
        stage: Where to go on; without it, at the first task that failed or did not finish.
    """
    words = ["idxpipe", "submit", "--from", stage or stopped_at(record), "--run", record.run_id]
    return f"{shlex.join(words)} {_flags(place)}"


def _flags(place: Place) -> str:
    return shlex.join(["--project", place.project, "--region", place.region])
