"""The oracles refuse what they do not know, and every variant passes them."""

import json

import pytest
from google.protobuf.json_format import ParseError

from idxpipe.components.register.config import RegisterConfig
from idxpipe.pipeline.compile import compile_pipeline
from idxpipe.pipeline.vertex.targets import TARGETS
from tests import oracles
from tests.pipeline import toy

REGISTRY = RegisterConfig(register_as="digits", project="p", region="europe-west4")


def job(**more):
    return {"pipelineSpec": toy.toy(), "runtimeConfig": {"gcsOutputDirectory": "gs://a"}, **more}


@pytest.mark.parametrize("registry", [None, REGISTRY], ids=["plain", "register"])
@pytest.mark.parametrize("name", TARGETS)
def test_every_variant_is_what_kfp_and_vertex_know(name, registry):
    image = "train:1" if TARGETS[name].machine_type else ""
    compiled = compile_pipeline(accelerator=name, train_image=image, registry=registry)
    document = toy.read(compiled)
    oracles.parse_pipeline_spec(document)
    parsed = oracles.parse_pipeline_job(job(pipelineSpec=document))
    assert parsed.pipeline_spec["pipelineInfo"]["name"] == "idxpipe"


def test_an_unknown_field_is_refused_wherever_it_stands():
    for body in (job(netwerk="x"), job(runtimeConfig={"root": "gs://a"})):
        with pytest.raises(ParseError, match="no field named"):
            oracles.parse_pipeline_job(body)
    document = toy.toy()
    next(iter(document["deploymentSpec"]["executors"].values()))["container"]["img"] = "x"
    with pytest.raises(ParseError, match="img"):
        oracles.parse_pipeline_job(job(pipelineSpec=json.loads(json.dumps(document))))
    with pytest.raises(ParseError, match="crom"):
        schedule = {"crom": "* * * * *", "createPipelineJobRequest": {"pipelineJob": job()}}
        oracles.parse_schedule("projects/p/locations/l", schedule)
    with pytest.raises(ParseError, match="uri"):
        oracles.parse_upload("projects/p/locations/l", {"model": {"uri": "gs://a"}})
    run = {"pipeline_spec": toy.toy(), "runtime_config": {"root": "gs://a"}}
    with pytest.raises(ValueError, match="has no root"):
        oracles.parse_kubeflow_run(run)
