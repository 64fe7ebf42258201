"""Parameters that pick the device; train and evaluate share them."""

import dataclasses

from components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class DeviceConfig(Config):
    """Where TensorFlow runs."""

    accelerator: str = parameter(
        "auto",
        "device to run on; auto takes a TPU if `tpu` is set, else the GPUs, else the CPU",
        choices=("auto", "cpu", "gpu", "tpu"),
    )
    tpu: str = parameter(
        "", "name or grpc:// address of the TPU; empty or `local` is the one of this machine"
    )
    num_replicas: int = parameter(
        8, "TPU cores that are expected; another number found is refused", unit="cores", minimum=1
    )
