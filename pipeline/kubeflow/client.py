"""Open-source Kubeflow Pipelines over its REST API, version v2beta1: start runs and look at them.

https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.components.core.google import auth as google_auth
from idxpipe.components.core.google import rest
from idxpipe.components.core.google.rest import Client
from idxpipe.components.core.narration import say
from idxpipe.pipeline.failure import stopped_at
from idxpipe.pipeline.kubeflow import mlmd
from idxpipe.pipeline.kubeflow.record import Executions, read
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.graph import Container, Pipeline
from idxpipe.pipeline.state import Earlier, RunRecord

TOKEN_VARIABLE = "KFP_TOKEN"  # noqa: S105

_RUN_ID = re.compile(r"[\w.-]{1,128}")
_PAGE = 100


@dataclass(frozen=True)
class Kubeflow:
    """One installation.

    Attributes:
        host: The address of its user interface, with the path under which the API is found, if any.
    """

    host: str

    @cached_property
    def client(self) -> Client:
        """The connection; it sends the token in $KFP_TOKEN, if there is one."""
        return self._client(self.host, "Kubeflow Pipelines")

    @cached_property
    def metadata(self) -> Client:
        """The connection to the metadata store, which lies at the root of the same server."""
        parts = urlsplit(self.host)
        return self._client(f"{parts.scheme}://{parts.netloc}", "Kubeflow's metadata store")

    def _client(self, address: str, service: str) -> Client:
        return Client(
            address,
            service,
            login=_token,
            how_to_log_in=f"set ${TOKEN_VARIABLE} to a token that is valid for {self.host}",
            # Inside a cluster the API server has no certificate.
            plain=TOKEN_VARIABLE not in os.environ,
            advise=self._advise,
        )

    def _advise(self, status: int, message: str) -> str | None:
        return f"idxpipe list --kfp-host {shlex.quote(self.host)}" if status == 404 else None

    def create(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Start a run.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        # Sent twice it would be two runs.
        return self.client.call("POST", "/apis/v2beta1/runs", body=run, repeatable=False)

    def get(self, run_id: str) -> dict[str, Any]:
        """Return a run, with the pipeline that it is of.

        Raises:
            UsageError: If there is none, or that cannot be an id.
            IdxpipeError: As `Client.call`.
        """
        run = self.client.call("GET", f"/apis/v2beta1/runs/{_checked(run_id)}")
        version = run.get("pipeline_version_reference") or {}
        if "pipeline_spec" not in run and version:
            # It was started from a pipeline that was uploaded.
            ids = [str(version.get(f"pipeline{name}_id", "")) for name in ("", "_version")]
            path = "/apis/v2beta1/pipelines/{}/versions/{}".format(*map(_checked, ids))
            run["pipeline_spec"] = self.client.call("GET", path).get("pipeline_spec")
        return run

    def find(self, run_id: str, *, outputs: bool) -> Earlier:
        """Return the record of a run, and the whole pipeline that it is a run of.

        Args:
            run_id: Its id.
            outputs: Whether its outputs are needed; else they are there if the store can be read.

        Raises:
            IdxpipeError: As `get` and, if `outputs`, as `mlmd.executions`.
        """
        return self.record(self.get(run_id), outputs=outputs)

    def record(self, run: Mapping[str, Any], *, outputs: bool) -> Earlier:
        """Return the record of a run that `get` returned; as `find`."""

        def fetch(earlier: str) -> tuple[Mapping[str, Any], Executions] | None:
            try:
                return self.get(earlier), mlmd.executions(self.metadata, earlier)
            except UsageError:
                return None

        try:
            executions = mlmd.executions(self.metadata, str(run.get("run_id", "")))
        except IdxpipeError as error:
            if outputs:
                raise
            say(f"without artifacts and metrics: {error.where}: {error.problem}")
            return read(run)
        return read(run, executions, fetch)

    def runs(self, limit: int = 20, *, namespace: str = "", experiment: str = "") -> list[Any]:
        """Return runs, the newest first.

        Args:
            limit: How many at most.
            namespace: Of these only; an installation for several users asks for one.
            experiment: Id of the experiment of which they are; empty takes those of all.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        query = {"page_size": str(min(limit, _PAGE)), "sort_by": "created_at desc"}
        query |= {"namespace": namespace} if namespace else {}
        query |= {"experiment_id": experiment} if experiment else {}
        return list(islice(self._pages(query), limit))

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        self.client.call("POST", f"/apis/v2beta1/runs/{_checked(run_id)}:terminate", body={})

    def _pages(self, query: Mapping[str, str]) -> Any:
        token = ""
        while True:
            asked = {**query, **({"page_token": token} if token else {})}
            page = self.client.call("GET", "/apis/v2beta1/runs", query=asked)
            yield from page.get("runs", [])
            token = page.get("next_page_token", "")
            if not token:
                return


def build(
    pipeline: Pipeline,
    parameters: Mapping[str, Any],
    *,
    root: str = "",
    name: str = "",
    experiment: str = "",
    service_account: str = "",
    description: str = "",
) -> dict[str, Any]:
    """Return the run to create.

    Args:
        pipeline: The compiled pipeline.
        parameters: Typed values of its parameters.
        root: Where artifacts go; empty leaves it to the installation.
        name: What to call the run; empty is the pipeline's name.
        experiment: Id of the experiment it belongs to; empty is the default one.
        service_account: Kubernetes service account of the stages; empty is the default one.
        description: What there is to say about it.
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
    if description:
        run["description"] = description
    return run


def page(host: str, run_id: str) -> str:
    """Return the URL of a run in the user interface."""
    return f"{host.rstrip('/')}/#/runs/details/{run_id}"


def logging_command(run_id: str, namespace: str = "") -> str:
    """Return the command that prints what the stages of a run have printed.

    KFP labels their pods: LabelKeyWorkflowRunId of backend/src/common/util/consts.go.
    """
    words = ["kubectl", "logs", "--namespace", namespace or "kubeflow", "--selector"]
    options = ["--container", "main", "--prefix", "--tail", "-1", "--max-log-requests", "20"]
    return shlex.join([*words, f"pipeline/runid={run_id}", *options])


def go_on(host: str, record: RunRecord, stage: str | None = None) -> str:
    """Return the shell command that goes on after a run.

    Args:
        host: Where it ran.
        record: The run.
        stage: Where to go on; without it, at the first task that failed or did not finish.
    """
    words = ["idxpipe", "submit", "--kfp-host", host, "--from", stage or stopped_at(record)]
    return shlex.join([*words, "--run", record.run_id])


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


def check_data(parameters: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check that the stages themselves can reach the data set.

    Args:
        parameters: Values of the pipeline's parameters.
        names: Which of them say where the data set is.

    Raises:
        UsageError: If there is none, or only KFP's launcher could reach it.
    """
    known = {name: str(parameters[name]) for name in names if name in parameters}
    where = "gs://BUCKET/FOLDER, s3://BUCKET/FOLDER or https://HOST/FOLDER"
    if known and not any(known.values()):
        raise UsageError(
            "no data is named", where="--data", expected=f"{where} with the four IDX files"
        )
    for name, uri in known.items():
        if storage.scheme(uri) == "minio":
            raise UsageError(
                "data is where only KFP's launcher can read, and it fetches artifacts only",
                where=name,
                expected=where,
                found=uri,
                remedy="copy the files to a store that the stages have credentials for; "
                "docs/kubeflow.md says how MinIO itself is one",
            )


def check_images(pipeline: Pipeline) -> None:
    """Refuse images that no cluster can pull.

    Raises:
        UsageError: If one names no registry.
    """
    for task in pipeline.tasks.values():
        image = task.executor.image if isinstance(task.executor, Container) else ""
        if image.startswith("idxpipe:"):
            raise UsageError(
                "image is on this machine, where the cluster cannot pull it",
                where=task.name,
                expected="REGISTRY/idxpipe:TAG",
                found=image,
                remedy="idxpipe compile --image REGISTRY/idxpipe:$(idxpipe image-tag); where the "
                "cluster's own nodes have the image, --no-preflight",
            )


def _checked(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            "not the id of a run", where="RUN", expected="an id, as list shows it", found=run_id
        )
    return run_id


def _token() -> Any:
    from google.oauth2.credentials import Credentials

    token = os.environ.get(TOKEN_VARIABLE, "")
    return Credentials(token=token) if token else google_auth.anonymous()
