"""The train stage on machines of Vertex AI: compiled variants are golden files.

To renew them: idxpipe compile --accelerator NAME --train-image idxpipe-train:golden \
    --output tests/pipeline/golden/NAME.yaml
"""

from pathlib import Path

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.compile import check_compiled, compile_pipeline
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import load
from idxpipe.pipeline.vertex.custom_job import TIMEOUT_SECONDS
from idxpipe.pipeline.vertex.targets import TARGETS
from tests.pipeline import toy

GOLDEN = Path("tests/pipeline/golden")
IMAGE = "idxpipe-train:golden"


def train_inputs(document: dict) -> dict:
    return document["components"]["comp-train"]["inputDefinitions"]


@pytest.mark.parametrize("name", ["gpu-t4", "tpu-v3-8", "tpu-v5e-4"])
def test_the_golden_files_are_what_the_definition_compiles_to(name):
    compiled = compile_pipeline(accelerator=name, train_image=IMAGE)
    check_compiled(str(GOLDEN / f"{name}.yaml"), compiled)


@pytest.mark.parametrize("name", [name for name, t in TARGETS.items() if t.machine_type])
def test_every_machine_compiles_to_a_valid_pipeline(name):
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    document = toy.read(compile_pipeline(accelerator=name, train_image=IMAGE))
    json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
    inputs = train_inputs(document)
    (pool,) = inputs["parameters"]["worker_pool_specs"]["defaultValue"]
    target = TARGETS[name]
    assert pool["machine_spec"] == target.machine_spec
    assert pool["container_spec"]["image_uri"] == IMAGE
    parameters = document["root"]["inputDefinitions"]["parameters"]
    assert parameters["accelerator"]["defaultValue"] == target.accelerator
    assert parameters["num_replicas"]["defaultValue"] == target.num_replicas


def test_artifacts_stay_typed_and_the_job_is_short_and_restarted():
    document = toy.read((GOLDEN / "tpu-v5e-4.yaml").read_text())
    inputs = train_inputs(document)
    title = inputs["artifacts"]["dataset"]["artifactType"]["schemaTitle"]
    assert title == "system.Dataset"
    outputs = document["components"]["comp-train"]["outputDefinitions"]["artifacts"]
    assert outputs["model"]["artifactType"]["schemaTitle"] == "system.Model"
    assert inputs["parameters"]["timeout"]["defaultValue"] == f"{TIMEOUT_SECONDS}s"
    assert inputs["parameters"]["restart_job_on_worker_restart"]["defaultValue"] is True
    account = inputs["parameters"]["service_account"]["defaultValue"]
    assert account == "{{$.pipeline_service_account}}"


def test_only_the_trainer_gets_the_machine():
    document = toy.read((GOLDEN / "tpu-v5e-4.yaml").read_text())
    evaluate = document["root"]["dag"]["tasks"]["evaluate"]["inputs"]["parameters"]
    assert evaluate["accelerator"] == {"runtimeValue": {"constant": "cpu"}}


def test_this_machine_refuses_a_custom_job_before_anything_starts(tmp_path):
    pipeline = load(str(GOLDEN / "tpu-v5e-4.yaml"))
    with pytest.raises(UsageError, match="compiled for machines of Vertex AI"):
        runner.run(pipeline, {"data": "data/mnist"}, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_an_image_without_a_machine_is_refused():
    with pytest.raises(UsageError, match="needs a machine"):
        compile_pipeline(train_image=IMAGE)
