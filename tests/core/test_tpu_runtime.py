"""The variables that TensorFlow needs for a TPU, by generation."""

import pytest

from components.core import tpu_runtime
from components.core.tpu_runtime import PJRT, accelerator_type, prepare

LIBRARY = "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"


@pytest.fixture
def libtpu(tmp_path, monkeypatch):
    (tmp_path / "libtpu").mkdir()
    (tmp_path / "libtpu" / "__init__.py").touch()
    (tmp_path / "libtpu" / "libtpu.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "libtpu", raising=False)
    return str(tmp_path / "libtpu" / "libtpu.so")


@pytest.mark.parametrize("kind", ["v5litepod-4", "v5p-8", "v6e-4", "ct5lp-hightpu-4t"])
def test_newer_generations_get_the_plug_in(kind, libtpu):
    environment = {}
    assert prepare(environment, kind) == "PJRT"
    assert environment == {**PJRT, LIBRARY: libtpu}


@pytest.mark.parametrize("kind", ["v2-8", "v3-8", "v4-8", ""])
def test_older_generations_get_nothing(kind, libtpu):
    environment = {}
    assert prepare(environment, kind) == "TFRT"
    assert not environment


def test_a_custom_job_names_the_runtime_and_the_image_has_the_library(libtpu):
    environment = dict(PJRT)
    assert prepare(environment, "") == "PJRT"
    assert environment[LIBRARY] == libtpu


def test_what_the_user_set_stays(libtpu):
    environment = {"PJRT_DEVICE": "CPU", LIBRARY: "/mine.so"}
    assert prepare(environment, "v5litepod-1") == "TFRT"
    assert environment["PJRT_DEVICE"] == "CPU"
    assert environment[LIBRARY] == "/mine.so"


def test_a_machine_says_its_type(monkeypatch):
    monkeypatch.setenv("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    assert accelerator_type() == "v5litepod-4"


def test_nobody_is_asked_off_google(monkeypatch):
    monkeypatch.delenv("TPU_ACCELERATOR_TYPE", raising=False)
    monkeypatch.setattr(tpu_runtime, "_on_google", lambda: False)
    monkeypatch.setattr(tpu_runtime.urllib.request, "build_opener", None)
    assert not accelerator_type()
