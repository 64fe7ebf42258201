"""The accelerator: offered in the region, and within the project's quota."""

import re
from typing import Any

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.preflight.check import Check, fail, ok, summary, unknown
from idxpipe.pipeline.preflight.regions import DATE, REGIONS
from idxpipe.pipeline.preflight.services import Services, name
from idxpipe.pipeline.vertex.targets import Target

# Metrics of Vertex AI's quotas for custom training, as its errors name them.
# Source: https://cloud.google.com/vertex-ai/docs/quotas
METRICS = {
    "gpu-t4": "custom_model_training_nvidia_t4_gpus",
    "gpu-l4": "custom_model_training_nvidia_l4_gpus",
    "gpu-a100": "custom_model_training_nvidia_a100_gpus",
    "tpu-v2": "custom_model_training_tpu_v2",
    "tpu-v3": "custom_model_training_tpu_v3",
    "tpu-v5e": "custom_model_training_tpu_v5e",
}
UNLIMITED = -1


def check_region(target: Target, region: str) -> Check:
    """Check that the accelerator is offered in the region, by a dated table."""
    what = f"{target.name} in {region}"
    regions = REGIONS.get(target.name)
    if regions is None:
        return unknown(what, "the table of regions does not have it")
    if region in regions:
        return ok(what, f"offered as of {DATE}")
    look = f"gcloud compute accelerator-types list --filter=zone:{region}"
    if target.accelerator == "tpu":
        look = f"gcloud compute tpus accelerator-types list --zone={region}-a"
    return fail(what, f"not offered as of {DATE}; it is in {', '.join(regions)}", look)


def check_quota(services: Services, project: str, region: str, target: Target) -> Check:
    """Check that the quota lets one such training run."""
    what = f"quota for {target.name} in {region}"
    metric = METRICS.get(re.sub(r"-\d+$", "", target.name))
    if metric is None:
        return unknown(what, "its metric is not known")
    full = f"aiplatform.googleapis.com/{metric}"
    path = (
        f"/v1beta1/projects/{name(project)}/services/aiplatform.googleapis.com"
        f"/consumerQuotaMetrics/{name(full)}"
    )
    try:
        answer = services.get("serviceusage", path, {"view": "FULL"})
    except IdxpipeError as error:
        return unknown(what, f"{metric}: {summary(error)}", _show(project, metric))
    limit = _limit(answer, region)
    wanted = needed(target)
    if limit is None:
        return unknown(what, f"{metric} has no limit for the region", _show(project, metric))
    if limit == UNLIMITED or limit >= wanted:
        shown = "unlimited" if limit == UNLIMITED else f"{limit}, of which the training needs"
        return ok(what, f"{metric} is {shown}" + ("" if limit == UNLIMITED else f" {wanted}"))
    page = (
        f"https://console.cloud.google.com/iam-admin/quotas?project={project}"
        f"&service=aiplatform.googleapis.com&metric={name(full)}"
    )
    return fail(what, f"{metric} is {limit}, the training needs {wanted}", f"ask for more: {page}")


def needed(target: Target) -> int:
    """Return how many units of the quota a training takes: GPUs, TPU cores, chips of a v5e."""
    return target.accelerator_count or target.num_replicas


def _limit(metric: dict[str, Any], region: str) -> int | None:
    """Return the limit of a region: its own, or the one of regions without their own.

    Source: https://cloud.google.com/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics
    """
    default = None
    for limit in metric.get("consumerQuotaLimits", []):
        if "{region}" not in limit.get("unit", ""):
            continue
        for bucket in limit.get("quotaBuckets", []):
            value = bucket.get("effectiveLimit")
            if value is None:
                continue
            dimensions = bucket.get("dimensions", {})
            if dimensions.get("region") == region:
                return int(value)
            if not dimensions:
                default = int(value)
    return default


def _show(project: str, metric: str) -> str:
    return (
        "gcloud beta quotas info list --service=aiplatform.googleapis.com "
        f"--project={project} --filter=metric:{metric}"
    )
