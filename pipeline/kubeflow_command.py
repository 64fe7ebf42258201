"""The command `submit` for an open-source installation of Kubeflow Pipelines."""

import argparse
import json
import os
from typing import Any

from components.core.errors import UsageError
from components.core.narration import say
from pipeline.vertex_args import pipeline_and_parameters, poll_of

Result = tuple[Any, str]


def submit_to_kubeflow(args: argparse.Namespace) -> Result:
    """Submit the compiled pipeline to Kubeflow Pipelines.

    Raises:
        IdxpipeError: If it is refused; with `--wait`, also if the run does not succeed.
    """
    from pipeline import kubeflow
    from pipeline.commands import URI_PARAMETERS

    refused = {
        "--from": args.from_stage,
        "--only": args.only,
        "--run": args.run,
        "--project": args.project and not _from_environment(args.project),
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
    kubeflow.check_host(args.kfp_host)
    pipeline, parameters = pipeline_and_parameters(args)
    uris = {name: parameters.get(name, "") for name in URI_PARAMETERS}
    kubeflow.check_uris({"--root": args.root, **uris})
    if args.no_cache:
        from pipeline.vertex_request import without_cache

        without_cache(pipeline.document)
    run = kubeflow.build(
        pipeline,
        parameters,
        root=args.root,
        name=args.name,
        experiment=args.experiment,
        service_account=args.service_account,
    )
    if args.dry_run:
        return run, json.dumps(run, indent=2)
    service = kubeflow.Kubeflow(args.kfp_host)
    made = service.create(run)
    run_id = str(made.get("run_id", ""))
    url = kubeflow.page(args.kfp_host, run_id)
    if args.wait:
        say(f"submitted {run_id}\n{url}")
        made = service.follow(run_id, poll_of(args))
        error = kubeflow.error_of(made, args.kfp_host)
        if error:
            raise error
    data = {"run": run_id, "state": made.get("state"), "page": url}
    return data, f"{'finished' if args.wait else 'submitted'} {run_id}\n{url}"


def _from_environment(project: str) -> bool:
    return project == os.environ.get("GOOGLE_CLOUD_PROJECT")
