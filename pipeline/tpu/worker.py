"""Compiles StableHLO for a TPU that is not there, in a process of its own without TensorFlow.

The only file that knows jax. It is a script: a job as JSON on stdin, one JSON line on stdout for
each program. What it uses beyond jax's public interface is pinned to the version below: a module
that jax did not trace cannot be compiled through jax.jit.
"""

import json
import os
import sys
from typing import Any

# What setup.py's extra `tpu-check` installs.
JAX, LIBTPU = "0.10.2", "0.0.52"


def main() -> None:
    """Compile the programs of one job."""
    job = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    # libtpu writes to both; stdout is for answers.
    os.dup2(2, 1)
    os.environ.update(
        JAX_PLATFORMS="cpu",
        # There is no metadata server to ask what this machine is, and no TPU to lock.
        TPU_SKIP_MDS_QUERY="1",
        ALLOW_MULTIPLE_LIBTPU_LOAD="1",
        # Else it leaves a file of each run in /tmp/tpu_logs.
        TPU_LOG_DIR="disabled",
    )
    devices, refused = _devices(job["topology"])
    first = {"refused": refused} if refused else {"devices": len(devices)}
    print(json.dumps(first), file=answers, flush=True)
    for path in job["programs"]:
        with open(path) as file:
            text = file.read()
        answer = _compile(text, devices, job["replicas"][path])
        print(json.dumps(answer), file=answers, flush=True)


def _devices(topology: str) -> tuple[Any, str]:
    import jax
    from jax.experimental import topologies

    try:
        return topologies.get_topology_desc(topology, "tpu").devices, ""
    except jax.errors.JaxRuntimeError as error:
        return [], str(error)


def _compile(text: str, devices: Any, replicas: int) -> dict[str, Any]:
    import jax
    import numpy as np
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir

    chosen = tuple(devices[:replicas])
    assignment = np.array([[device.id] for device in chosen])
    options = compiler.get_compile_options(
        num_replicas=replicas, num_partitions=1, device_assignment=assignment
    )
    try:
        with mlir.make_ir_context():
            module = ir.Module.parse(text)
            compiled = chosen[0].client.compile(module, xla_client.DeviceList(chosen), options)
    except (jax.errors.JaxRuntimeError, ir.MLIRError) as error:
        return {"refused": str(error)}
    memory = compiled.get_compiled_memory_stats()
    costs = compiled.cost_analysis()
    costs = costs[0] if isinstance(costs, list) else costs
    return {
        "arguments": memory.argument_size_in_bytes,
        "outputs": memory.output_size_in_bytes,
        "aliased": memory.alias_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "code": memory.generated_code_size_in_bytes,
        "flops": costs["flops"],
        "bytes": costs["bytes accessed"],
    }


if __name__ == "__main__":
    main()
