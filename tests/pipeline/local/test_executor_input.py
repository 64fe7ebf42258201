import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.local import executor_input
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy

DATASET = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
MODEL = {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}


def test_golden(pipeline):
    made = Artifact("dataset", "/made", DATASET, {"n": 3})
    outputs = {"copy-train": Values({}, {"dataset": made})}
    task = pipeline.tasks["train"]
    inputs = executor_input.resolve_inputs(task, {"steps": 10}, outputs)
    assert executor_input.build(task, inputs, "/root/x", "/tmp/s") == {
        "inputs": {
            "parameterValues": {"steps": 10},
            "artifacts": {
                "dataset": {
                    "artifacts": [
                        {
                            "name": "dataset",
                            "type": DATASET,
                            "uri": "/made",
                            "metadata": {"n": 3},
                        }
                    ]
                }
            },
        },
        "outputs": {
            "artifacts": {
                "model": {
                    "artifacts": [
                        {"name": "model", "type": MODEL, "uri": "/root/x/model", "metadata": {}}
                    ]
                }
            },
            "outputFile": "/tmp/s/executor_output.json",
        },
    }


def one(**more):
    return parse(toy.text(toy.document({"one": toy.task(":", **more)}))).tasks["one"]


def test_without_inputs_and_outputs():
    built = executor_input.build(one(), Values(), "/f", "/s")
    assert built == {"inputs": {}, "outputs": {"outputFile": "/s/executor_output.json"}}


def test_default_of_the_component_stands_in():
    document = toy.document({"one": toy.task(":", parameters={"n": ("NUMBER_INTEGER", {})})})
    document["root"]["dag"]["tasks"]["one"]["inputs"] = {}
    definitions = document["components"]["comp-one"]["inputDefinitions"]["parameters"]
    definitions["n"] |= {"defaultValue": 3.0, "isOptional": True}
    definitions["m"] = {"parameterType": "STRING", "isOptional": True}
    task = parse(toy.text(document)).tasks["one"]
    assert executor_input.resolve_inputs(task, {}, {}).parameters == {"n": 3}


def test_a_constant_may_name_the_run():
    task = one(parameters={"run": ("STRING", toy.constant("{{$.pipeline_job_name}}"))})
    names = {"pipeline_job_name": "p-1"}
    assert executor_input.resolve_inputs(task, {}, {}, names).parameters == {"run": "p-1"}


def test_value_of_another_type_is_refused():
    task = one(parameters={"n": ("NUMBER_INTEGER", toy.constant("x"))})
    with pytest.raises(DataError, match=r"one\.n: input has the wrong type"):
        executor_input.resolve_inputs(task, {}, {})


@pytest.mark.parametrize("side", ["values", "files"])
@pytest.mark.parametrize("name", ["../out", "/etc/out"])
def test_names_of_outputs_may_not_climb_out(side, name):
    task = one(**{side: {name: "STRING"}})
    with pytest.raises(DataError, match="leads out of its folder"):
        executor_input.build(task, Values(), "/root/x", "/tmp/s")
