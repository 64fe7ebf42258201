"""A component as a custom training job of Vertex AI, which is where it gives out TPUs and GPUs."""

from typing import Any

import yaml

from pipeline.targets import Target

# Far under Vertex AI's default of seven days: a training that hangs should not cost a week.
TIMEOUT_SECONDS = 4 * 60 * 60


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
    """
    create = _creator()
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
    )
    # The function knows no tpu_topology, so the whole machine is put in afterwards.
    spec = json_format.MessageToDict(job.pipeline_spec)
    patched = 0
    for definition in _worker_pool_definitions(spec):
        pool = definition["defaultValue"][0]
        pool["machine_spec"] = target.machine_spec
        if image:
            pool["container_spec"]["image_uri"] = image
        patched += 1
    if not patched:
        raise RuntimeError("google-cloud-pipeline-components changed: no worker_pool_specs")
    name = job.component_spec.name
    job = components.load_component_from_text(yaml.safe_dump(spec))
    job.component_spec.name = name
    return job


def _worker_pool_definitions(spec: dict[str, Any]) -> list[dict[str, Any]]:
    owners = [*spec["components"].values(), spec["root"]]
    parameters = [owner.get("inputDefinitions", {}).get("parameters", {}) for owner in owners]
    return [p["worker_pool_specs"] for p in parameters if "worker_pool_specs" in p]


def _creator() -> Any:
    try:
        from google_cloud_pipeline_components.v1.custom_job import (
            create_custom_training_job_from_component,
        )
    except ImportError:
        from components.core.errors import SetupError

        raise SetupError(
            "google-cloud-pipeline-components is not installed",
            remedy="pip install google-cloud-pipeline-components==2.22.0",
        ) from None
    return create_custom_training_job_from_component
