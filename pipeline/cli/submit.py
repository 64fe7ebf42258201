"""The command `submit`: a whole pipeline, or some stages of an earlier run, to Vertex AI."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.cli.follow import follow_to_the_end
from idxpipe.pipeline.cli.options import (
    labels_of,
    one_job,
    pipeline_and_parameters,
    place_of,
    poll_of,
    vertex_of,
)
from idxpipe.pipeline.cli.wording import submitted

if TYPE_CHECKING:
    from idxpipe.pipeline.vertex.client import Vertex
    from idxpipe.pipeline.vertex.request import Settings

Result = tuple[Any, str]


def submit(args: argparse.Namespace) -> Result:
    """Submit the compiled pipeline, or part of it.

    Raises:
        IdxpipeError: If it is refused; with `--wait`, also the error that the run ended in.
    """
    poll_of(args)
    if bool(args.run) != bool(args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage and a run",
            where="submit",
            expected="--from STAGE or --only STAGE, with --run JOB",
            remedy="idxpipe list",
        )
    if args.kfp_host:
        from idxpipe.pipeline.cli.kubeflow_submit import submit_to_kubeflow

        return submit_to_kubeflow(args)
    from idxpipe.pipeline.vertex import request as vertex_request

    place = place_of(args)
    vertex = vertex_of(args, place)
    job, name = _rerun(args, vertex) if args.run else first_job(args)
    if args.plan:
        return _estimate(args, job)
    if args.dry_run:
        return job, json.dumps(job, indent=2)
    preflight(args, vertex, job)
    job_id = vertex_request.new_job_id(name)
    created = vertex.create(job, job_id)
    if args.wait:
        say(submitted(place, job_id, created)[1])
        return follow_to_the_end(args, vertex, job_id)
    return submitted(place, job_id, created)


def first_job(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return the job for a whole pipeline, and its name.

    Raises:
        UsageError: If a parameter or setting is not right.
        DataError: If the file is not a compiled pipeline.
    """
    from idxpipe.pipeline.cli.commands import DATA_PARAMETERS, URI_PARAMETERS
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
    from idxpipe.pipeline import rerun
    from idxpipe.pipeline.catalogue import check_values, is_ours
    from idxpipe.pipeline.cli.commands import DATA_PARAMETERS, URI_PARAMETERS
    from idxpipe.pipeline.spec import parse as spec
    from idxpipe.pipeline.vertex import request as vertex_request
    from idxpipe.pipeline.vertex.client import go_on

    source, earlier_id = one_job(args, args.run)
    labels = labels_of(args)
    if len(earlier_id) < 64 and vertex.place.region == source.place.region:
        labels[vertex_request.EARLIER] = earlier_id
    job = source.get(earlier_id)
    settings = _settings(args, job, labels)
    found = source.find(earlier_id, job)
    whole = spec.load(args.pipeline) if args.pipeline else found.whole
    spec.require_parts(whole)
    assignments = args.set + ([f"data={args.data}"] if args.data else [])
    plan = rerun.plan(
        found.record,
        whole,
        stages_from=args.from_stage or None,
        only=args.only or None,
        assignments=assignments,
        go_on=lambda record, stage: go_on(source.place, record, stage),
    )
    if is_ours(plan.parameters):
        check_values(plan.parameters)
    vertex_request.check_pipeline(plan.pipeline)
    vertex_request.check_data(plan.parameters, DATA_PARAMETERS, URI_PARAMETERS)
    body = vertex_request.build(plan.pipeline, plan.parameters, settings)
    # A stage is run again because it was asked for, cached or not.
    forced = None if args.no_cache else plan.force
    vertex_request.without_cache(body["pipelineSpec"], forced)
    return body, settings.name or whole.name


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


def _estimate(args: argparse.Namespace, job: Mapping[str, Any]) -> Result:
    from idxpipe.pipeline.cli.look_ahead import read_minutes
    from idxpipe.pipeline.preflight.job import estimate

    found = estimate(job, read_minutes(args.minutes))
    return found.to_json(), str(found)
