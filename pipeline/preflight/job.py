"""What submit looks at before it sends anything: the checks of doctor, and the cost."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from idxpipe.components.core.idx.files import DataConfig
from idxpipe.components.core.narration import say
from idxpipe.pipeline.preflight import prices
from idxpipe.pipeline.preflight.check import Status, require
from idxpipe.pipeline.preflight.doctor import Plan, preflight
from idxpipe.pipeline.preflight.services import OVERRIDE
from idxpipe.pipeline.spec.graph import Pipeline
from idxpipe.pipeline.spec.parse import from_document
from idxpipe.pipeline.vertex.request import Place


def check_job(place: Place, job: Mapping[str, Any], endpoint: str) -> None:
    """Check all that a job needs.

    Args:
        place: Where it runs.
        job: The body of the request.
        endpoint: Address of Vertex AI, as the client has it. Of a service that is not Google's,
            Google cannot be asked anything, and nothing is.

    Raises:
        SetupError: If something would stop it, with every such thing and its fix.
    """
    host = urlsplit(endpoint).hostname or ""
    if not host.endswith(".googleapis.com") and OVERRIDE not in os.environ:
        return
    pipeline = pipeline_of(job)
    runtime = job.get("runtimeConfig", {})
    parameters = runtime.get("parameterValues", {})
    plan = Plan(
        place,
        root=runtime.get("gcsOutputDirectory", ""),
        # A rerun from a later stage reads no data.
        data=DataConfig.of(parameters if "validate" in pipeline.tasks else {}),
        service_account=job.get("serviceAccount", ""),
    )
    checks = preflight(plan, pipeline)
    require(checks)
    for check in checks:
        if check.status is Status.UNKNOWN:
            say(str(check))


def estimate(job: Mapping[str, Any], minutes: Mapping[str, float]) -> prices.Estimate:
    """Estimate the cost of a job.

    Raises:
        UsageError: If a duration is for a stage that does not run.
    """
    return prices.plan(pipeline_of(job), dict(minutes))


def pipeline_of(job: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline that a job runs, which for a rerun is a part of the compiled one."""
    return from_document(job["pipelineSpec"], where="pipelineSpec")
