"""The committed pipeline.yaml, and what the compiler makes."""

import pytest

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.catalogue import PARAMETERS
from idxpipe.pipeline.compile import check_compiled, compile_pipeline

COMMITTED = "pipeline.yaml"


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


def test_kfp_loads_it():
    from kfp import components

    loaded = components.load_component_from_file(COMMITTED)
    assert set(loaded.component_spec.inputs) == set(PARAMETERS)
