"""The TPU compiler itself, on modules of a few operations."""

import json
import subprocess
import sys

import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.pipeline.tpu import worker
from idxpipe.pipeline.tpu.compiler import Compiled, check_installed, compile_all
from idxpipe.pipeline.tpu.topology import find_topology

with quiet_import():
    from idxpipe.components.train.lowering.programs import Program

V2 = find_topology("v2-8")


def double(rows, replicas=1):
    text = f"""module {{
  func.func @main(%x: tensor<{rows}x1024xf32>) -> tensor<{rows}x1024xf32> {{
    %y = stablehlo.add %x, %x : tensor<{rows}x1024xf32>
    return %y : tensor<{rows}x1024xf32>
  }}
}}"""
    return Program("double", text, replicas, rows, 0)


def compile_one(program, topology=V2):
    return next(compile_all(topology, [program]))[1]


def test_a_program_and_what_it_takes():
    found = compile_one(double(1024, replicas=8))
    assert isinstance(found, Compiled)
    # 4 MiB in, 4 MiB out.
    assert 8 << 20 <= found.hbm_bytes < 10 << 20
    assert found.flops == 1024 * 1024
    assert found.bytes >= 8 << 20


def test_one_that_does_not_fit_and_one_after_it():
    huge, small = [found for _, found in compile_all(V2, [double(1 << 20), double(8)])]
    assert huge.out_of_memory
    assert huge.used > huge.limit > 7 << 30
    assert "RESOURCE_EXHAUSTED" in huge.reason
    assert isinstance(small, Compiled)


def test_text_that_is_no_program():
    found = compile_one(Program("nonsense", "module { nonsense }", 1, 1, 0))
    assert not found.out_of_memory
    assert found.reason


def test_a_slice_that_there_is_not():
    with pytest.raises(SetupError, match="does not know this topology") as caught:
        compile_one(double(8), find_topology("v5e:3x3"))
    assert "3x3" in caught.value.found


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(worker, "LIBTPU", "0.0.14")
    with pytest.raises(SetupError) as caught:
        check_installed()
    assert (caught.value.where, caught.value.expected) == ("libtpu", "0.0.14")
    assert caught.value.found == "0.0.52"
    assert "idxpipe[tpu-check]" in caught.value.remedy


def test_a_compiler_that_breaks(monkeypatch, tmp_path):
    script = tmp_path / "broken.py"
    script.write_text("import sys; sys.stdin.read(); sys.exit('out of luck')")
    monkeypatch.setattr(worker, "__file__", str(script))
    with pytest.raises(SetupError, match="without an answer") as caught:
        compile_one(double(8))
    assert caught.value.found == "exit code 1: out of luck"


def test_no_tensorflow_is_loaded_there(tmp_path):
    path = tmp_path / "double.mlir"
    path.write_text(double(8).text)
    job = {"topology": "v2:2x2", "programs": [str(path)], "replicas": {str(path): 1}}
    program = f"""
import runpy, sys
runpy.run_path({worker.__file__!r}, run_name="__main__")
sys.exit("tensorflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        input=json.dumps(job),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
