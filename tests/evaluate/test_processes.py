"""What only a process of its own can show."""

import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.stage import evaluate
from tests.datasets import write_dataset
from tests.evaluate.conftest import answers, write_model
from tests.evaluate.test_stage import CPU

pytestmark = pytest.mark.slow

EIGHT = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 8)
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.stage import evaluate
evaluate(*sys.argv[1:], EvaluateConfig(eval_batch_size=4), DeviceConfig(accelerator="cpu"))
assert len(tf.config.list_logical_devices()) == 8
"""


def test_a_machine_with_eight_devices_gives_the_same_numbers(tmp_path):
    records = write_dataset(tmp_path / "d", *answers(), 3)
    model = write_model(str(tmp_path / "model"))
    outputs = [[str(tmp_path / f"{n}.{kind}") for kind in ("json", "html")] for n in (1, 8)]
    evaluate(records, model, *outputs[0], EvaluateConfig(eval_batch_size=4), CPU)
    child = subprocess.run(
        [sys.executable, "-c", EIGHT, records, model, *outputs[1]],
        check=True,
        capture_output=True,
        text=True,
    )
    assert ", ".join(f"CPU:{number}" for number in range(8)) in child.stderr
    for one, eight in zip(*outputs, strict=True):
        assert Path(one).read_bytes() == Path(eight).read_bytes()
