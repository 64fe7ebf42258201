"""The command `submit` for Vertex AI Pipelines."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.narration import say
from idxpipe.pipeline.catalogue import DATA_PARAMETERS, URI_PARAMETERS
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import read_minutes
from idxpipe.pipeline.cli.services.on_vertex import OnVertex, vertex_at
from idxpipe.pipeline.cli.services.options import (
    labels_of,
    pipeline_and_parameters,
    poll_of,
    rerun_of,
)
from idxpipe.pipeline.cli.services.wording import submitted

if TYPE_CHECKING:
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Settings


def submit_to_vertex(args: argparse.Namespace) -> Outcome:
    """Submit the compiled pipeline, or some stages of an earlier run, to Vertex AI Pipelines.

    Raises:
        IdxpipeError: If it is refused; with `--wait`, also the error that the run ended in.
    """
    from idxpipe.pipeline.vertex import request as vertex_request

    vertex = vertex_at(args.project, args.region, args.endpoint)
    job, name = _rerun(args, vertex) if args.run else first_job(args)
    if args.plan:
        return _estimate(args, job)
    if args.dry_run:
        return Outcome(job, json.dumps(job, indent=2))
    preflight(args, vertex, job)
    job_id = vertex_request.new_job_id(name)
    created = vertex.create(job, job_id)
    outcome = submitted(vertex.place, job_id, created)
    if args.wait:
        say(str(outcome.text))
        here = OnVertex(args.project, args.region, args.endpoint)
        return here.follow(job_id, poll_of(args))
    return outcome


def first_job(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return the job for a whole pipeline, and its name.

    Raises:
        UsageError: If a parameter or setting is invalid.
        DataError: If the file is not a compiled pipeline.
    """
    from idxpipe.pipeline.vertex import request as vertex_request

    settings = _settings(args)
    pipeline, parameters = pipeline_and_parameters(args)
    vertex_request.check_pipeline(pipeline)
    vertex_request.check_data(parameters, DATA_PARAMETERS, URI_PARAMETERS)
    job = vertex_request.build(pipeline, parameters, settings)
    if args.no_cache:
        vertex_request.without_cache(job["pipelineSpec"])
    return job, settings.name or pipeline.name


def _rerun(args: argparse.Namespace, vertex: "Vertex") -> tuple[dict[str, Any], str]:
    """Return the job for some stages of an earlier run, and its name."""
    from idxpipe.pipeline.vertex import request as vertex_request
    from idxpipe.pipeline.vertex.client import go_on

    source, earlier_id = OnVertex(args.project, args.region, args.endpoint).find(args.run)
    labels = labels_of(args)
    if len(earlier_id) < 64 and vertex.place.region == source.place.region:
        labels[vertex_request.EARLIER] = earlier_id
    job = source.get(earlier_id)
    settings = _settings(args, job, labels)
    found = source.find(earlier_id, job)
    plan = rerun_of(args, found, lambda record, stage: go_on(source.place, record, stage))
    vertex_request.check_pipeline(plan.pipeline)
    vertex_request.check_data(plan.parameters, DATA_PARAMETERS, URI_PARAMETERS)
    body = vertex_request.build(plan.pipeline, plan.parameters, settings)
    # A stage is run again because it was asked for, cached or not.
    forced = None if args.no_cache else plan.force
    vertex_request.without_cache(body["pipelineSpec"], forced)
    return body, settings.name or plan.pipeline.name


def _settings(
    args: argparse.Namespace,
    earlier: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> "Settings":
    """Return the settings that the flags give, or else the earlier run had."""
    from idxpipe.pipeline.vertex.request import Settings

    earlier = earlier or {}
    return Settings(
        root=args.root or earlier.get("runtimeConfig", {}).get("gcsOutputDirectory", ""),
        service_account=args.service_account or earlier.get("serviceAccount", ""),
        network=args.network or earlier.get("network", ""),
        encryption_key=args.encryption_key
        or earlier.get("encryptionSpec", {}).get("kmsKeyName", ""),
        labels=labels_of(args) if labels is None else labels,
        name=args.name,
    )


def preflight(args: argparse.Namespace, vertex: "Vertex", job: Mapping[str, Any]) -> None:
    """Check all that a job needs, unless the flags say not to.

    Raises:
        SetupError: If something would stop it.
    """
    if not args.no_preflight:
        from idxpipe.pipeline.preflight.job import check_job

        check_job(vertex.place, job, vertex.client.endpoint)


def _estimate(args: argparse.Namespace, job: Mapping[str, Any]) -> Outcome:
    from idxpipe.pipeline.cli.tools.plan import text
    from idxpipe.pipeline.preflight.job import estimate

    found = estimate(job, read_minutes(args.minutes))
    return Outcome(found.to_json(), text(found))
