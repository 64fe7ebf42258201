"""Doctor's look at the compiled file: is it stale?"""

import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline.preflight.check import Status
from idxpipe.pipeline.preflight.freshness import check_fresh, compile_words, target_of
from idxpipe.pipeline.spec.parse import load
from idxpipe.pipeline.vertex.targets import TARGETS

GOLDEN = Path("tests/pipeline/golden")


def look(path):
    return check_fresh(str(path), load(str(path)))


def compiled(tmp_path, *words):
    path = str(tmp_path / "p.yaml")
    command = [sys.executable, "-m", "idxpipe", "compile", "--output", path, *words]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.mark.slow
def test_a_file_for_another_machine_is_compiled_for_that_machine(tmp_path):
    flags = ["--accelerator", "tpu-v5e-4", "--image", "a/b:c", "--train-image", "a/t:c"]
    path = compiled(tmp_path, *flags)
    check = look(path)
    assert check.status is Status.OK, check
    text = Path(path).read_text().replace("learning_rate", "speed")
    Path(path).write_text(text)
    check = look(path)
    assert check.status is Status.FAIL
    assert check.found.startswith("stale: line ")
    assert check.fix == (
        f"idxpipe compile --output {path} --image a/b:c --accelerator tpu-v5e-4 --train-image=a/t:c"
    )


def test_the_last_stage_is_compiled_again_too(tmp_path):
    place = ["--project", "my-project", "--region", "us-central1"]
    path = compiled(tmp_path, "--register", "mnist", *place)
    words = compile_words(path, load(path))
    assert words[words.index("--register") + 1] == "mnist"
    assert words[words.index("--project") + 1] == "my-project"


@pytest.mark.parametrize("name", ["gpu-t4", "tpu-v3-8", "tpu-v5e-4"])
def test_the_machine_is_recognised(name):
    assert target_of(load(str(GOLDEN / f"{name}.yaml"))) == TARGETS[name]


def test_an_unknown_machine(tmp_path):
    path = tmp_path / "p.yaml"
    text = (GOLDEN / "tpu-v5e-4.yaml").read_text()
    path.write_text(text.replace("ct5lp-hightpu-4t", "z9-mega"))
    assert target_of(load(str(path))) is None
    assert look(path).status is Status.UNKNOWN
