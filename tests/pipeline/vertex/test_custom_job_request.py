"""What Vertex AI is asked for by a train stage on a machine of its own, by Google's own code.

The payload is filled in as the launcher does, cleaned by google-cloud-pipeline-components and
parsed strictly as the message that its client sends.
"""

import json

import pytest
from google.cloud.aiplatform_v1.types import CustomJob
from google_cloud_pipeline_components.container.v1.gcp_launcher.utils import json_util

from idxpipe.pipeline.compile import compile_pipeline
from idxpipe.pipeline.spec import placeholders
from idxpipe.pipeline.vertex.custom_job import TIMEOUT_SECONDS
from idxpipe.pipeline.vertex.targets import TARGETS
from tests.pipeline import toy

IMAGE = "europe-docker.pkg.dev/p/r/train:1"
ACCOUNT = "runner@p.iam.gserviceaccount.com"
NETWORK = "projects/12/global/networks/private"
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
RUN = {
    "pipeline_service_account": ACCOUNT,
    "pipeline_network": NETWORK,
    "pipeline_encryption_key_name": KEY,
    "pipeline_persistent_resource_id": "",
    "pipeline_google_cloud_location": "europe-west4",
    "pipeline_google_cloud_project_id": "p",
}


def constants(document):
    inputs = document["root"]["dag"]["tasks"]["train"]["inputs"]["parameters"]
    return {
        name: source["runtimeValue"]["constant"]
        for name, source in inputs.items()
        if "runtimeValue" in source
    }


def inputs_of(document):
    """Return the train task's inputs, as the driver resolves them."""
    parameters = document["root"]["inputDefinitions"]["parameters"]
    declared = document["components"]["comp-train"]["inputDefinitions"]["parameters"]
    task = document["root"]["dag"]["tasks"]["train"]["inputs"]["parameters"]
    given = {
        name: parameters[source["componentInputParameter"]]["defaultValue"]
        for name, source in task.items()
        if "componentInputParameter" in source
    }
    defaults = {n: d["defaultValue"] for n, d in declared.items() if "defaultValue" in d}
    return defaults | given | constants(document)


def request_for(name):
    document = toy.read(compile_pipeline(accelerator=name, train_image=IMAGE))
    values = inputs_of(document)
    # Inside a payload that is JSON, what `{{$...}}` stands for is filled in first.
    filled = json.loads(
        placeholders.substitute(
            json.dumps(values).replace("{{$.json_escape[1]}}", "EXECUTOR_INPUT"),
            {},
            names=RUN,
            where="train",
        )
    )
    (executor,) = [
        e["container"]
        for e in document["deploymentSpec"]["executors"].values()
        if "--payload" in e["container"].get("args", [])
    ]
    payload = executor["args"][executor["args"].index("--payload") + 1]
    known = {"inputs": {"parameterValues": filled}, "outputs": {}}
    text = placeholders.substitute(payload, known, where="train")
    cleaned = json_util.recursive_remove_empty(
        json_util.camel_case_to_snake_case_recursive(json.loads(text, strict=False))
    )
    return CustomJob.from_json(json.dumps(cleaned), ignore_unknown_fields=False)


@pytest.mark.parametrize("name", [name for name, t in TARGETS.items() if t.machine_type])
def test_the_job_is_the_run_s_own(name):
    target = TARGETS[name]
    job = request_for(name)
    spec = job.job_spec
    assert spec.network == NETWORK
    assert spec.service_account == ACCOUNT
    assert job.encryption_spec.kms_key_name == KEY
    assert spec.scheduling.timeout.total_seconds() == TIMEOUT_SECONDS
    assert spec.scheduling.restart_job_on_worker_restart
    (pool,) = spec.worker_pool_specs
    machine = pool.machine_spec
    assert machine.machine_type == target.machine_type
    assert machine.accelerator_type.name.removeprefix("ACCELERATOR_TYPE_UNSPECIFIED") == (
        target.accelerator_type
    )
    assert machine.accelerator_count == target.accelerator_count
    assert machine.tpu_topology == target.tpu_topology
    assert pool.disk_spec.boot_disk_size_gb == 100
    assert pool.container_spec.image_uri == IMAGE
    assert {e.name: e.value for e in pool.container_spec.env} == target.env
    assert "idxpipe.components.train.stage" in " ".join(pool.container_spec.command)


def test_image_and_code_are_constants_of_the_task():
    """A default of the component may not count in the service's cache key; a constant does."""

    def identity(image):
        return constants(toy.read(compile_pipeline(accelerator="tpu-v5e-4", train_image=image)))[
            "job_digest"
        ]

    assert identity("train:1") == identity("train:1") != identity("train:2")


def test_an_input_that_the_custom_job_also_has_is_refused():
    from kfp import dsl

    from idxpipe.pipeline.vertex.custom_job import as_custom_job

    @dsl.component(base_image="x", install_kfp_package=False)
    def greedy(network: str, labels: dict):
        """Take the custom job's own inputs."""

    with pytest.raises(RuntimeError, match="labels, network"):
        as_custom_job(greedy, TARGETS["tpu-v3-8"])
