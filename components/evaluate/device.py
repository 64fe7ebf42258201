"""The device that evaluates: one is plenty for a forward pass."""

import tensorflow as tf

from components.core.device import DeviceConfig
from components.core.errors import SetupError


def choose_device(device: DeviceConfig) -> str:
    """Return TensorFlow's name of the device to run on.

    A TPU trains; its machine's CPU evaluates what it exported.

    Raises:
        SetupError: If a GPU was asked for and there is none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device.accelerator == "gpu" and not gpus:
        raise SetupError(
            "no GPU on this machine that TensorFlow can use",
            where="accelerator",
            remedy="check the driver, or use accelerator `auto` or `cpu`",
        )
    if device.accelerator == "gpu" or (device.accelerator == "auto" and gpus):
        return "GPU:0"
    return "CPU:0"
