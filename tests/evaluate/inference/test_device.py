import pytest
import tensorflow as tf

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import SetupError
from idxpipe.components.evaluate.inference.device import choose_devices


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, as far as TensorFlow says."""
    for name in ("list_physical_devices", "list_logical_devices"):
        monkeypatch.setattr(tf.config, name, lambda kind: [kind] * (2 if kind == "GPU" else 1))


@pytest.mark.parametrize("accelerator", ["auto", "gpu"])
def test_all_gpus_are_taken_where_there_are_some(gpus, accelerator):
    assert choose_devices(DeviceConfig(accelerator=accelerator)) == ["GPU:0", "GPU:1"]


@pytest.mark.parametrize("accelerator", ["cpu", "tpu"])
def test_the_cpu_is_taken_for_itself_and_beside_a_tpu(gpus, accelerator):
    assert choose_devices(DeviceConfig(accelerator=accelerator)) == ["CPU:0"]


def test_without_a_gpu():
    assert choose_devices(DeviceConfig()) == ["CPU:0"]
    with pytest.raises(SetupError, match="no GPU"):
        choose_devices(DeviceConfig(accelerator="gpu"))
