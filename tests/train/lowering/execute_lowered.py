"""Runs a lowered program on all devices of this CPU, a replica on each, without TensorFlow.

`python execute_lowered.py PROGRAM ARGUMENTS RESULTS`: the last two are .npz files of arrays whose
rows are the replicas'.
"""

import sys

import jax
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

program, arguments, results = sys.argv[1:]
jax.config.update("jax_enable_x64", True)
devices = jax.devices()
REPLICAS = len(devices)
mesh = jax.sharding.Mesh(np.array(devices), "replica")


def spread(rows):
    """Return an array whose part on each device is a row."""
    parts = [jax.device_put(row, device) for row, device in zip(rows, devices, strict=True)]
    axes = ("replica",) if parts[0].ndim else ()
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
    shape = rows.shape[1:]
    shape = (REPLICAS * shape[0], *shape[1:]) if shape else ()
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


options = compiler.get_compile_options(
    num_replicas=REPLICAS,
    num_partitions=1,
    device_assignment=np.arange(REPLICAS).reshape(REPLICAS, 1),
)
with mlir.make_ir_context(), open(program) as file:
    module = ir.Module.parse(file.read())
    ready = devices[0].client.compile_and_load(
        module, xla_client.DeviceList(tuple(devices)), options
    )
with np.load(arguments) as values:
    given = [spread(values[f"arr_{i}"]) for i in range(len(values.files))]
outputs = ready.execute_sharded(given).disassemble_into_single_device_arrays()
np.savez(results, *[np.stack([np.asarray(part) for part in parts]) for parts in outputs])
