"""The committed pipeline.yaml, and what the compiler makes."""

import pytest
import yaml

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.register.config import RegisterConfig
from idxpipe.pipeline.catalogue import PARAMETERS
from idxpipe.pipeline.compile import check_compiled, compile_pipeline
from idxpipe.pipeline.spec.graph import Constant
from idxpipe.pipeline.spec.parse import parse

COMMITTED = "pipeline.yaml"


@pytest.fixture(scope="module")
def compiled():
    return compile_pipeline()


def test_the_committed_file_is_what_the_definition_compiles_to(compiled):
    check_compiled(COMMITTED, compiled)
    assert compile_pipeline() == compiled


def test_a_stale_file_is_refused_with_the_line(compiled, tmp_path):
    lines = compiled.splitlines(keepends=True)
    stale = tmp_path / "pipeline.yaml"
    stale.write_bytes(b"".join([*lines[:9], b"other: line\n", *lines[10:]]))
    with pytest.raises(IdxpipeError, match="stale: line 10") as caught:
        check_compiled(str(stale), compiled)
    assert caught.value.exit_code == 1
    assert "idxpipe compile" in caught.value.remedy
    stale.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(IdxpipeError, match=f"stale: line {len(lines)}"):
        check_compiled(str(stale), compiled)


def test_another_release_of_kfp_makes_a_file_no_staler(compiled, tmp_path):
    lines = compiled.splitlines(keepends=True)
    (line,) = (i for i, text in enumerate(lines) if text.startswith(b"sdkVersion: kfp-"))
    lines[line] = b"sdkVersion: kfp-2.16.1\n"
    (tmp_path / "pipeline.yaml").write_bytes(b"".join(lines))
    check_compiled(str(tmp_path / "pipeline.yaml"), compiled)


def test_components_imported_for_one_image_cannot_be_compiled_for_another(compiled):
    with pytest.raises(RuntimeError, match="already imported"):
        compile_pipeline("another/image:1")


def test_every_parameter_has_a_default_and_a_description(compiled):
    root = yaml.safe_load(compiled)["root"]["inputDefinitions"]["parameters"]
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
    executors = yaml.safe_load(compiled)["deploymentSpec"]["executors"].values()
    images = {executor["container"]["image"] for executor in executors}
    assert len(images) == 1
    assert images.pop().startswith("idxpipe:")


def test_kfp_loads_it():
    from kfp import components

    loaded = components.load_component_from_file(COMMITTED)
    assert set(loaded.component_spec.inputs) == set(PARAMETERS)


def test_the_register_stage_comes_after_the_gate_and_only_when_asked_for(compiled):
    config = RegisterConfig(register_as="digits", project="p", region="r")
    tasks = parse(compile_pipeline(registry=config)).tasks
    assert set(tasks) - set(parse(compiled).tasks) == {"register"}
    assert set(tasks["register"].upstream) == {"evaluate", "gate", "train"}
    assert tasks["register"].parameters["register_as"] == Constant("digits")
