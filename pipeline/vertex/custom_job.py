"""A component as a custom training job of Vertex AI, which is where it gives out TPUs and GPUs."""

import functools
import hashlib
import json
from typing import Any

import yaml

from idxpipe.pipeline.vertex.targets import Target

# Far under Vertex AI's default of seven days: a training that hangs should not cost a week.
TIMEOUT_SECONDS = 4 * 60 * 60

# Image, code and machine stand in a default of the component, and a cache key may know only what a
# task is given: this input of the task stands for them.
DIGEST = "job_digest"


def as_custom_job(component: Any, target: Target, image: str = "") -> Any:
    """Return `component` to be run as a custom job on the machine of `target`.

    Inputs and outputs stay as they are, artifacts typed. When the machine is taken away the job is
    started again, with the same folders, so that training goes on from its last checkpoint.

    Args:
        component: A KFP component.
        target: The machine.
        image: Container image for it; empty is the component's own.

    Raises:
        SetupError: If google-cloud-pipeline-components is not installed.
        RuntimeError: If the component has an input that the custom job has, too.
    """
    create = _creator()
    _refuse_shared_inputs(component)
    from google.protobuf import json_format
    from kfp import components

    job = create(
        component,
        display_name=component.component_spec.name,
        machine_type=target.machine_type,
        timeout=f"{TIMEOUT_SECONDS}s",
        restart_job_on_worker_restart=True,
        # Otherwise the job would run as Vertex AI's own agent, outside the run's network and key.
        service_account="{{$.pipeline_service_account}}",
        network="{{$.pipeline_network}}",
        encryption_spec_key_name="{{$.pipeline_encryption_key_name}}",
        env=[{"name": name, "value": value} for name, value in target.env.items()],
    )
    # The function knows no tpu_topology, so the whole machine is put in afterwards.
    spec = json_format.MessageToDict(job.pipeline_spec)
    digest = ""
    for parameters in _job_parameters(spec):
        pool = parameters["worker_pool_specs"]["defaultValue"][0]
        pool["machine_spec"] = target.machine_spec
        if image:
            pool["container_spec"]["image_uri"] = image
        digest = hashlib.sha256(json.dumps(pool, sort_keys=True).encode()).hexdigest()
        parameters[DIGEST] = {"parameterType": "STRING", "description": "Image, code and machine."}
    if not digest:
        raise RuntimeError("google-cloud-pipeline-components changed: no worker_pool_specs")
    name = job.component_spec.name
    for task in spec["root"]["dag"]["tasks"].values():
        task["inputs"]["parameters"][DIGEST] = {"componentInputParameter": DIGEST}
    job = components.load_component_from_text(yaml.safe_dump(spec))
    job.component_spec.name = name
    return functools.partial(job, **{DIGEST: digest})


def _refuse_shared_inputs(component: Any) -> None:
    from google_cloud_pipeline_components.v1.custom_job import component as custom_job

    theirs = custom_job.custom_training_job.component_spec.inputs
    shared = sorted(theirs.keys() & (component.component_spec.inputs or {}).keys())
    if shared:
        raise RuntimeError(
            f"a custom job has inputs of these names, and they would replace its own: "
            f"{', '.join(shared)}"
        )


def _job_parameters(spec: dict[str, Any]) -> list[dict[str, Any]]:
    owners = [*spec["components"].values(), spec["root"]]
    parameters = [owner.get("inputDefinitions", {}).get("parameters", {}) for owner in owners]
    return [p for p in parameters if "worker_pool_specs" in p]


def _creator() -> Any:
    try:
        from google_cloud_pipeline_components.v1.custom_job import (
            create_custom_training_job_from_component,
        )
    except ImportError:
        from idxpipe.components.core.errors import SetupError, installing

        raise SetupError(
            "google-cloud-pipeline-components is not installed",
            where="google_cloud_pipeline_components",
            remedy=installing("gcp"),
        ) from None
    return create_custom_training_job_from_component
