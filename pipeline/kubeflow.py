"""Open-source Kubeflow Pipelines over its REST API, version v2beta1: start a run, look at it.

https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/
"""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components.core import google_auth, rest, storage
from components.core.errors import IdxpipeError, UsageError
from components.core.rest import Client
from pipeline import params
from pipeline.spec import Pipeline

TOKEN_VARIABLE = "KFP_TOKEN"  # noqa: S105
FINAL = frozenset({"SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"})


@dataclass(frozen=True)
class Kubeflow:
    """One installation.

    Attributes:
        host: Its address, with the path under which the API is found, if any.
    """

    host: str

    @cached_property
    def client(self) -> Client:
        """The connection; it sends the token in $KFP_TOKEN, if there is one."""
        return Client(
            self.host,
            "Kubeflow Pipelines",
            login=_token,
            how_to_log_in=f"set ${TOKEN_VARIABLE} to a token that is valid for {self.host}",
            # Inside a cluster the API server has no certificate.
            plain=TOKEN_VARIABLE not in os.environ,
        )

    def create(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        # Sent twice it would be two runs.
        return self.client.call("POST", "/apis/v2beta1/runs", body=run, repeatable=False)

    def follow(self, run_id: str, poll: float) -> dict[str, Any]:
        """Return a run when it has ended.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        before = ""
        while True:
            run = self.client.call("GET", f"/apis/v2beta1/runs/{run_id}")
            state = str(run.get("state", ""))
            if state != before:
                print(f"{run_id} {state.lower()}", file=sys.stderr, flush=True)  # noqa: T201
                before = state
            if state in FINAL:
                return run
            time.sleep(poll)


def build(
    pipeline: Pipeline,
    parameters: Mapping[str, Any],
    *,
    root: str = "",
    name: str = "",
    experiment: str = "",
    service_account: str = "",
) -> dict[str, Any]:
    """Return the run to create.

    Args:
        pipeline: The compiled pipeline.
        parameters: Typed values of its parameters.
        root: Where artifacts go; empty leaves it to the installation.
        name: What to call the run; empty is the pipeline's name.
        experiment: Id of the experiment it belongs to; empty is the default one.
        service_account: Kubernetes service account of the stages; empty is the default one.
    """
    document: dict[str, Any] = dict(pipeline.document)
    if pipeline.platform is not None:
        document = {"pipeline_spec": document, "platform_spec": dict(pipeline.platform)}
    config: dict[str, Any] = {"parameters": dict(parameters)}
    if root:
        config["pipeline_root"] = root.rstrip("/")
    run: dict[str, Any] = {
        "display_name": name or pipeline.name,
        # KFP's compiler writes numbers as doubles, which JSON need not tell from integers.
        "pipeline_spec": params.whole(document),
        "runtime_config": config,
    }
    if experiment:
        run["experiment_id"] = experiment
    if service_account:
        run["service_account"] = service_account
    return run


def error_of(run: Mapping[str, Any], host: str) -> IdxpipeError | None:
    """Return the error that a run ended in; None if it succeeded."""
    if run.get("state") in {"SUCCEEDED", "SKIPPED"}:
        return None
    error = run.get("error") or {}
    return IdxpipeError(
        "run did not succeed",
        where=str(run.get("run_id", "")),
        expected="SUCCEEDED",
        found=" ".join(filter(None, [str(run.get("state")), error.get("message", "")])),
        remedy=f"look at its stages: {page(host, str(run.get('run_id', '')))}",
    )


def page(host: str, run_id: str) -> str:
    """Return the URL of a run in the user interface."""
    return f"{host.rstrip('/')}/#/runs/details/{run_id}"


def check_host(host: str) -> None:
    """Check the address.

    Raises:
        UsageError: If it is none, or a token would be sent over plain http.
    """
    rest.check_endpoint(host, plain=TOKEN_VARIABLE not in os.environ)


def check_uris(uris: Mapping[str, str]) -> None:
    """Check that the cluster can reach root and data.

    Raises:
        UsageError: If one is a path on this machine.
    """
    for name, uri in uris.items():
        if uri and storage.is_local(uri):
            raise UsageError(
                "path is on this machine, where the cluster cannot read it",
                where=name,
                expected="gs://, s3://, minio:// or the like",
                found=uri,
            )


def _token() -> Any:
    from google.oauth2.credentials import Credentials

    token = os.environ.get(TOKEN_VARIABLE, "")
    return Credentials(token=token) if token else google_auth.anonymous()
