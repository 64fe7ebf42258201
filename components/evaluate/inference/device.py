"""The devices that evaluate: all of a kind, each with its own copy of the model."""

import tensorflow as tf

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import SetupError


def choose_devices(device: DeviceConfig) -> list[str]:
    """Return TensorFlow's names of the devices to run on, at least one.

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
    on_gpus = device.accelerator == "gpu" or (device.accelerator == "auto" and bool(gpus))
    kind = "GPU" if on_gpus else "CPU"
    return [f"{kind}:{number}" for number, _ in enumerate(tf.config.list_logical_devices(kind))]
