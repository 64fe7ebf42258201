"""How the commands for Vertex AI word jobs."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from idxpipe.pipeline.cli.command import Outcome

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord
    from idxpipe.pipeline.vertex.request import Place


def word(job: Mapping[str, Any]) -> str:
    """Return the state of a job as one word."""
    return str(job.get("state", "unknown")).removeprefix("PIPELINE_STATE_").lower()


def id_of(resource: Mapping[str, Any]) -> str:
    """Return the last part of a resource's name."""
    return str(resource.get("name", "")).rpartition("/")[2]


def flags(place: "Place") -> str:
    """Return the flags that name a place."""
    return shlex.join(["--project", place.project, "--region", place.region])


def data_of(place: "Place", job: Mapping[str, Any], record: "RunRecord") -> dict[str, Any]:
    """Return a run as JSON values: its record, as `idxpipe run` has it, and where it runs."""
    from idxpipe.pipeline.vertex.client import console

    extra = {
        "job": record.run_id,
        "name": job.get("name"),
        "state": job.get("state"),
        "console": console(place, record.run_id),
    }
    return {**record.to_json(), **extra}


def submitted(place: "Place", job_id: str, job: Mapping[str, Any]) -> Outcome:
    """Return what there is to say about a job that was created."""
    from idxpipe.pipeline.vertex.client import console

    url = console(place, job_id)
    lines = [f"submitted {job_id}", url, f"follow it: idxpipe wait {job_id} {flags(place)}"]
    data = {"job": job_id, "name": job.get("name"), "state": job.get("state"), "console": url}
    return Outcome(data, "\n".join(lines))
