"""How the commands for Vertex AI word jobs."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows of cells as a table."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def summary(record: "RunRecord") -> list[str]:
    """Return the lines that sum up a run."""
    from idxpipe.pipeline.cli import progress

    lines = [progress.format_table(record), *progress.metric_lines(record)]
    return lines + [f"report            {uri}" for uri in progress.reports(record).values()]


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


def submitted(place: "Place", job_id: str, job: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what there is to say about a job that was created: as JSON values and as text."""
    from idxpipe.pipeline.vertex.client import console

    url = console(place, job_id)
    lines = [f"submitted {job_id}", url, f"follow it: idxpipe wait {job_id} {flags(place)}"]
    data = {"job": job_id, "name": job.get("name"), "state": job.get("state"), "console": url}
    return data, "\n".join(lines)
