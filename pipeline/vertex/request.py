"""What to ask Vertex AI Pipelines for: a PipelineJob, checked before anything is sent.

The resource is https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
"""

import copy
import datetime
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.spec.graph import Pipeline

# Stages stop at the first failure, as on this machine: what still runs is brought to its end.
FAIL_FAST = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
EARLIER = "idxpipe-earlier-run"
"""Label that names the run which a rerun goes on from."""

_JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_PROJECT = re.compile(r"([a-z][-a-z0-9.:]{4,61}[a-z0-9]|\d+)")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
# A bucket and folders below it; https://cloud.google.com/storage/docs/buckets#naming
_GCS = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^\s*?\[\]#\x00-\x1f]*)?")
_LABEL = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NETWORK = re.compile(r"projects/[^/\s]+/global/networks/[^/\s]+")
_KEY = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")


@dataclass(frozen=True)
class Place:
    """Where jobs run.

    Attributes:
        project: Id or number of the Google Cloud project.
        region: Name of the region, such as `us-central1`.
    """

    project: str
    region: str

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            UsageError: If one is missing or cannot be a name of that kind.
        """
        _check("--project", self.project, _PROJECT, "the id of a Google Cloud project")
        _check("--region", self.region, _REGION, "a region, such as us-central1")

    @property
    def parent(self) -> str:
        """Return the resource name of the location."""
        return f"projects/{self.project}/locations/{self.region}"

    def job(self, job_id: str) -> str:
        """Return the resource name of a job.

        Raises:
            UsageError: If that cannot be the id of a job.
        """
        _check("JOB", job_id, _JOB_ID, "the id of a job: lower-case letters, digits and dashes")
        return f"{self.parent}/pipelineJobs/{job_id}"


@dataclass(frozen=True)
class Settings:
    """How a job runs, beside its pipeline and parameters. Empty leaves the choice to Vertex AI."""

    root: str
    service_account: str = ""
    network: str = ""
    encryption_key: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        """Check each setting.

        Raises:
            UsageError: Naming the first that is wrong.
        """
        _check("--root", self.root, _GCS, "a folder in a bucket, gs://BUCKET/FOLDER")
        if self.service_account:
            _check("--service-account", self.service_account, _ACCOUNT, "its e-mail address")
        if self.network:
            form = "projects/NUMBER/global/networks/NAME"
            _check("--network", self.network, _NETWORK, form)
        if self.encryption_key:
            form = "projects/P/locations/R/keyRings/K/cryptoKeys/N"
            _check("--encryption-key", self.encryption_key, _KEY, form)
        for key, value in self.labels.items():
            form = "lower-case letters, digits, _ and -, at most 63; the key begins with a letter"
            _check("--labels", key, _LABEL, form)
            _check("--labels", value, _LABEL_VALUE, form)
        if len(self.name) > 128:
            raise UsageError(
                "name is too long", where="--name", expected="128 characters", found=len(self.name)
            )


def build(pipeline: Pipeline, parameters: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the PipelineJob to create.

    Args:
        pipeline: The compiled pipeline.
        parameters: Typed values of its parameters.
        settings: How to run it.
    """
    job: dict[str, Any] = {
        "displayName": settings.name or pipeline.name,
        "pipelineSpec": copy.deepcopy(dict(pipeline.document)),
        "runtimeConfig": {
            "gcsOutputDirectory": settings.root.rstrip("/"),
            # `parameterValues`, not `parameters`: that is how schema 2.1.0 passes them.
            "parameterValues": dict(parameters),
            "failurePolicy": FAIL_FAST,
        },
    }
    if settings.labels:
        job["labels"] = dict(settings.labels)
    if settings.service_account:
        job["serviceAccount"] = settings.service_account
    if settings.network:
        job["network"] = settings.network
    if settings.encryption_key:
        job["encryptionSpec"] = {"kmsKeyName": settings.encryption_key}
    return job


def check_pipeline(pipeline: Pipeline) -> None:
    """Refuse what Vertex AI Pipelines does not take.

    Raises:
        UsageError: If the file has settings for a Kubernetes cluster.
    """
    if pipeline.platform is not None:
        raise UsageError(
            "pipeline has settings for a Kubernetes cluster, which Vertex AI does not take",
            where=pipeline.name,
            expected="one YAML document",
            found="a second one with " + ", ".join(pipeline.platform.get("platforms", {})),
            remedy="take kfp-kubernetes out of the definition, or submit with --kfp-host",
        )


def check_data(parameters: Mapping[str, Any], data: Sequence[str], uris: Sequence[str]) -> None:
    """Check that what the parameters name can be read from everywhere.

    Args:
        parameters: Values of the pipeline's parameters.
        data: Which of them say where the data set is.
        uris: Which of them say where something is.

    Raises:
        UsageError: If one is not in a bucket, or there is no data set.
    """
    for name in uris:
        uri = parameters.get(name, "")
        if uri and (storage.scheme(uri) != "gs" or not _GCS.fullmatch(uri)):
            raise UsageError(
                "data is not in a bucket",
                where=name,
                expected="gs://BUCKET/FOLDER",
                found=uri,
                remedy="gcloud storage cp --recursive FOLDER gs://BUCKET/",
            )
    known = [name for name in data if name in parameters]
    if known and not any(parameters[name] for name in known):
        raise UsageError(
            "no data is named",
            where="--data",
            expected="gs://BUCKET/FOLDER with the four IDX files",
        )


def without_cache(pipeline: Mapping[str, Any], stages: Iterable[str] | None = None) -> None:
    """Make stages run even if nothing changed, in place.

    Args:
        pipeline: The PipelineSpec.
        stages: Tasks by name; all of them and of every pipeline inside it if None.
    """
    dags = [pipeline["root"]["dag"]]
    if stages is None:
        dags += [c["dag"] for c in pipeline.get("components", {}).values() if "dag" in c]
    for dag in dags:
        for name, task in dag["tasks"].items():
            if stages is None or name in set(stages):
                task["cachingOptions"] = {"enableCache": False}


def new_job_id(name: str) -> str:
    """Return an id that no other job has; short enough to be the value of a label."""
    time = datetime.datetime.now(datetime.UTC)
    begin = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-")
    if not begin or not begin[0].isalpha():
        begin = f"run-{begin}".rstrip("-")
    return f"{begin}-{time:%Y%m%d%H%M%S}-{secrets.token_hex(2)}"


def _check(where: str, value: str, form: re.Pattern[str], expected: str) -> None:
    if not form.fullmatch(value):
        raise UsageError(
            "not given" if not value else "invalid value",
            where=where,
            expected=expected,
            found=repr(value) if value else None,
        )
