"""What the commands for Vertex AI and Kubeflow read from their flags."""

import argparse
import re
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import UsageError

if TYPE_CHECKING:
    from idxpipe.pipeline.spec.parse import Pipeline
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Place

_JOB_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)")


def place_of(args: argparse.Namespace) -> "Place":
    """Return project and region.

    Raises:
        UsageError: If one is missing or cannot be meant.
    """
    from idxpipe.pipeline.vertex.request import Place

    return Place(args.project, args.region)


def vertex_of(args: argparse.Namespace, place: "Place") -> "Vertex":
    """Return the service.

    Raises:
        UsageError: If `--endpoint` is no address.
    """
    from idxpipe.components.core.google.rest import check_endpoint
    from idxpipe.pipeline.vertex.client import Vertex

    if args.endpoint:
        check_endpoint(args.endpoint)
    return Vertex(place, args.endpoint)


def one_job(args: argparse.Namespace, job: str) -> tuple["Vertex", str]:
    """Return the service and the id of the job that is meant.

    A resource name brings its own project and region.

    Raises:
        UsageError: If it cannot be one.
    """
    from idxpipe.pipeline.vertex.request import Place

    match = _JOB_NAME.search(job)
    place = Place(match[1], match[2]) if match else place_of(args)
    job_id = match[3] if match else job
    place.job(job_id)
    return vertex_of(args, place), job_id


def poll_of(args: argparse.Namespace) -> float:
    """Return the seconds between two looks at a run.

    Raises:
        UsageError: If they are too few or too many.
    """
    poll = float(args.poll)
    if not 0 < poll <= 3600:
        raise UsageError("not right", where="--poll", expected="0 to 3600 seconds", found=poll)
    return poll


def limit_of(args: argparse.Namespace) -> int:
    """Return how many runs to list at most.

    Raises:
        UsageError: If it is none.
    """
    if args.limit < 1:
        raise UsageError("not right", where="--limit", expected="at least 1", found=args.limit)
    return int(args.limit)


def labels_of(args: argparse.Namespace) -> dict[str, str]:
    """Return the labels by key.

    Raises:
        UsageError: If one is not `KEY=VALUE`.
    """
    labels = {}
    for label in args.labels:
        key, separator, value = label.partition("=")
        if not separator:
            raise UsageError("not right", where="--labels", expected="KEY=VALUE", found=repr(label))
        labels[key] = value
    return labels


def pipeline_and_parameters(args: argparse.Namespace) -> tuple["Pipeline", dict[str, Any]]:
    """Return the compiled pipeline and the values of its parameters, both checked.

    Raises:
        UsageError: If there is no such file, or a parameter is unknown, missing or ill-typed.
        DataError: If the file is not a compiled pipeline.
    """
    from idxpipe.pipeline.catalogue import check_values, is_ours
    from idxpipe.pipeline.compile import PIPELINE_FILE
    from idxpipe.pipeline.spec import params
    from idxpipe.pipeline.spec import parse as spec

    pipeline = spec.load_compiled(args.pipeline or PIPELINE_FILE)
    values = {"data": args.data} if args.data else {}
    parameters = params.resolve(pipeline.parameters, args.set, values)
    if is_ours(pipeline.parameters):
        check_values(parameters)
    return pipeline, parameters
