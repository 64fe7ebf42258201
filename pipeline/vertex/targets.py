"""Where the train stage can run on Vertex AI: machines and accelerators, chosen when compiling.

Source: https://cloud.google.com/vertex-ai/docs/training/configure-compute (machine types and
accelerators) and https://cloud.google.com/vertex-ai/docs/training/training-with-tpu-vm (TPU VMs).
"""

import dataclasses
from collections.abc import Mapping

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.google.tpu_runtime import PJRT


@dataclasses.dataclass(frozen=True)
class Target:
    """A machine for the train stage.

    Attributes:
        name: What `--accelerator` calls it.
        accelerator: What the stages call it: `cpu`, `gpu` or `tpu`.
        machine_type: Name of the machine type; empty leaves the choice to Vertex AI.
        accelerator_type: Name of the accelerator attached to it, if it is chosen apart.
        accelerator_count: How many of them.
        tpu_topology: Shape of the TPU slice, for generations that want it.
        num_replicas: TensorFlow replicas on it: TPU cores or GPUs; 0 if the target does not tell.
        env: Variables that TensorFlow needs there before it is imported.
    """

    name: str
    accelerator: str
    machine_type: str = ""
    accelerator_type: str = ""
    accelerator_count: int = 0
    tpu_topology: str = ""
    num_replicas: int = 0
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def machine_spec(self) -> dict[str, object]:
        """The machine as the API's MachineSpec, snake case."""
        spec: dict[str, object] = {"machine_type": self.machine_type}
        if self.accelerator_type:
            spec["accelerator_type"] = self.accelerator_type
            spec["accelerator_count"] = self.accelerator_count
        if self.tpu_topology:
            spec["tpu_topology"] = self.tpu_topology
        return spec


def _v5e(chips: int, topology: str) -> Target:
    machine = f"ct5lp-hightpu-{chips}t"
    name = f"tpu-v5e-{chips}"
    return Target(name, "tpu", machine, tpu_topology=topology, num_replicas=chips, env=PJRT)


# A v2 or v3 device has 8 cores, each a replica; a v5e chip has one core.
TARGETS = {
    target.name: target
    for target in (
        Target("auto", "auto"),
        Target("cpu", "cpu"),
        Target("gpu-t4", "gpu", "n1-standard-8", "NVIDIA_TESLA_T4", 1, num_replicas=1),
        Target("gpu-l4", "gpu", "g2-standard-8", "NVIDIA_L4", 1, num_replicas=1),
        Target("gpu-a100", "gpu", "a2-highgpu-1g", "NVIDIA_TESLA_A100", 1, num_replicas=1),
        Target("tpu-v2-8", "tpu", "cloud-tpu", "TPU_V2", 8, num_replicas=8),
        Target("tpu-v3-8", "tpu", "cloud-tpu", "TPU_V3", 8, num_replicas=8),
        _v5e(1, "1x1"),
        _v5e(4, "2x2"),
        _v5e(8, "2x4"),
    )
}


def find_target(name: str) -> Target:
    """Return the target called `name`.

    Raises:
        UsageError: If there is none, or TensorFlow cannot run on it.
    """
    if name.startswith(("tpu-v6e", "tpu-v7")):
        raise UsageError(
            "TensorFlow is not supported on this TPU generation of Vertex AI",
            where="accelerator",
            expected="tpu-v2-8, tpu-v3-8 or tpu-v5e-1, -4, -8",
            found=name,
            remedy="take a v5e, or run `idxpipe train --accelerator tpu` on a TPU VM of your own",
        )
    if name not in TARGETS:
        raise UsageError(
            "no such accelerator",
            where="accelerator",
            expected="one of " + ", ".join(TARGETS),
            found=repr(name),
        )
    return TARGETS[name]
