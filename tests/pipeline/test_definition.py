"""What our own pipeline consists of."""

from idxpipe.components.register.config import RegisterConfig
from idxpipe.pipeline.catalogue import PARAMETERS
from idxpipe.pipeline.compile import compile_pipeline
from idxpipe.pipeline.spec.graph import Constant
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy


def test_every_parameter_has_a_default_and_a_description(compiled):
    root = toy.read(compiled)["root"]["inputDefinitions"]["parameters"]
    assert set(root) == set(PARAMETERS)
    for name, parameter in root.items():
        assert parameter["defaultValue"] == PARAMETERS[name].default
        assert PARAMETERS[name].metadata["help"] in parameter["description"]


def test_the_stages_and_what_they_wait_for(compiled):
    tasks = parse(compiled).tasks
    assert {name: set(task.upstream) for name, task in tasks.items()} == {
        "validate": set(),
        "convert-train": {"validate"},
        "convert-test": {"validate"},
        "train": {"convert-train"},
        "evaluate": {"convert-test", "train"},
        "gate": {"evaluate"},
    }


def test_validate_always_looks_and_the_rest_is_cached(compiled):
    tasks = parse(compiled).tasks
    assert [name for name, task in tasks.items() if not task.cacheable] == ["validate"]


def test_all_stages_run_in_one_image(compiled):
    executors = toy.read(compiled)["deploymentSpec"]["executors"].values()
    images = {executor["container"]["image"] for executor in executors}
    assert len(images) == 1
    assert images.pop().startswith("idxpipe:")


def test_the_register_stage_comes_after_the_gate_and_only_when_asked_for(compiled):
    config = RegisterConfig(register_as="digits", project="p", region="r")
    tasks = parse(compile_pipeline(registry=config)).tasks
    assert set(tasks) - set(parse(compiled).tasks) == {"register"}
    assert set(tasks["register"].upstream) == {"evaluate", "gate", "train"}
    assert tasks["register"].parameters["register_as"] == Constant("digits")
