"""The run that a word means: one of this machine, or a job on Vertex AI."""

import argparse
import re
from typing import TYPE_CHECKING

from idxpipe.pipeline.cli.flags import add_root
from idxpipe.pipeline.cli.services.flags import add_vertex

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord

# The ids of a root's runs begin with a digit, those of jobs with a letter:
# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs/create
_JOB = re.compile(
    r"(projects/[^/]+/locations/[^/]+/pipelineJobs/)?[a-z][-a-z0-9]*-[-a-z0-9]*\d[-a-z0-9]*"
)
MEANS = "its id, the beginning of it, `latest`, its folder; or the id of a job on Vertex AI"


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where runs are looked for."""
    add_root(parser)
    add_vertex(parser)


def find(text: str, args: argparse.Namespace) -> "RunRecord":
    """Return the run that is meant.

    Args:
        text: As `MEANS`.
        args: With the flags of `add_places`.

    Raises:
        UsageError: If there is no such run or job, or more than one.
        IdxpipeError: If it cannot be read.
    """
    if _JOB.fullmatch(text):
        from idxpipe.pipeline.cli.services.on_vertex import OnVertex

        vertex, job_id = OnVertex(args.project, args.region, args.endpoint).find(text)
        return vertex.find(job_id).record
    from idxpipe.pipeline.runs.reference import find_run

    return find_run(text, args.root)
