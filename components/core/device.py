"""Parameters of where TensorFlow runs and reads from; train and evaluate share them."""

import dataclasses

from idxpipe.components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class DeviceConfig(Config):
    """Where TensorFlow runs, and how it gets at remote records."""

    accelerator: str = parameter(
        "auto",
        "device to run on; auto takes a TPU if `tpu` is set, else the GPUs, else the CPU",
        choices=("auto", "cpu", "gpu", "tpu"),
    )
    tpu: str = parameter(
        "", "name or grpc:// address of the TPU; empty or `local` is the one of this machine"
    )
    num_replicas: int = parameter(
        0,
        "TPU cores that are expected, a different number is refused; 0 takes all that are there",
        unit="cores",
        minimum=0,
        seldom=True,
    )
    stage_bytes: int = parameter(
        2 << 30,
        "records on gs:// up to this size are copied to local disk, larger ones are streamed",
        unit="bytes",
        minimum=0,
        seldom=True,
    )

    @property
    def is_local_tpu(self) -> bool:
        """Whether a TPU of this machine is asked for."""
        return self.tpu in {"", "local"} and (
            self.accelerator == "tpu" or bool(self.tpu and self.accelerator == "auto")
        )
