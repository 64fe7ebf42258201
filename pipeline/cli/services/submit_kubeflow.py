"""The command `submit` for an open-source installation of Kubeflow Pipelines."""

import argparse
import json
import os
import shlex
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.catalogue import DATA_PARAMETERS, URI_PARAMETERS
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.services.on_kubeflow import OnKubeflow, kubeflow_at
from idxpipe.pipeline.cli.services.options import pipeline_and_parameters, poll_of, rerun_of
from idxpipe.pipeline.kubeflow import client as kubeflow

if TYPE_CHECKING:
    from idxpipe.pipeline.spec.graph import Pipeline


def submit_to_kubeflow(args: argparse.Namespace) -> Outcome:
    """Submit the compiled pipeline, or some stages of an earlier run, to Kubeflow Pipelines.

    Raises:
        IdxpipeError: If it is refused; with `--wait`, also if the run does not succeed.
    """
    from idxpipe.pipeline.spec.graph import require_here

    _refuse_flags(args)
    service = kubeflow_at(args.kfp_host)
    if args.run:
        pipeline, parameters, described = _rerun(args, service)
    else:
        pipeline, parameters = pipeline_and_parameters(args)
        described = {}
        if args.no_cache:
            _without_cache(pipeline)
    uris = {name: parameters.get(name, "") for name in URI_PARAMETERS}
    kubeflow.check_uris({"--root": args.root, **uris})
    kubeflow.check_data(parameters, DATA_PARAMETERS)
    require_here(pipeline)
    if not args.no_preflight:
        kubeflow.check_images(pipeline)
    settings = {
        "root": args.root,
        "experiment": args.experiment,
        "service_account": args.service_account,
    }
    given = {name: value for name, value in settings.items() if value}
    run = kubeflow.build(pipeline, parameters, name=args.name, **(described | given))
    if args.dry_run:
        return Outcome(run, json.dumps(run, indent=2))
    made = service.create(run)
    run_id = str(made.get("run_id", ""))
    url = kubeflow.page(args.kfp_host, run_id)
    if args.wait:
        say(f"submitted {run_id}\n{url}")
        return OnKubeflow(args.kfp_host, args.namespace, args.experiment).follow(
            run_id, poll_of(args)
        )
    data = {"run": run_id, "state": made.get("state"), "page": url}
    follow = shlex.join(["idxpipe", "wait", run_id, "--kfp-host", args.kfp_host])
    return Outcome(data, f"submitted {run_id}\n{url}\nfollow it: {follow}")


def _refuse_flags(args: argparse.Namespace) -> None:
    refused = {
        "--project": args.project and args.project != os.environ.get("GOOGLE_CLOUD_PROJECT"),
        "--network": args.network,
        "--encryption-key": args.encryption_key,
        "--labels": args.labels,
        "--plan": args.plan,
    }
    given = [name for name, value in refused.items() if value]
    if given:
        raise UsageError(
            "flag is for Vertex AI only",
            where=", ".join(given),
            found="together with --kfp-host",
            remedy="leave it out",
        )


def _rerun(
    args: argparse.Namespace, service: kubeflow.Kubeflow
) -> tuple["Pipeline", dict[str, Any], dict[str, str]]:
    """Return the smaller pipeline, its parameters, and the settings of the earlier run."""
    from idxpipe.pipeline.kubeflow.record import earlier

    run = service.get(args.run)
    found = service.record(run, outputs=True)
    plan = rerun_of(args, found, lambda record, stage: kubeflow.go_on(service.host, record, stage))
    # A stage is run again because it was asked for, cached or not.
    _without_cache(plan.pipeline, None if args.no_cache else plan.force)
    settings = {
        "root": found.record.root,
        "experiment": str(run.get("experiment_id", "")),
        "service_account": str(run.get("service_account", "")),
        "description": earlier(args.run),
    }
    return plan.pipeline, dict(plan.parameters), settings


def _without_cache(pipeline: "Pipeline", stages: frozenset[str] | None = None) -> None:
    from idxpipe.pipeline.vertex.request import without_cache

    without_cache(pipeline.document, stages)
