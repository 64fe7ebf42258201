"""The program that is compiled for eight replicas computes the training step: run on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.train.config import TrainConfig

with quiet_import():
    import tensorflow as tf

    from idxpipe.components.train.lowering import programs as lowering

REPLICAS, BATCH = 8, 64
IMAGES = lowering.Images((8, 8), "uint8", 4)
# Without dropout, whose masks are each replica's own.
CONFIG = TrainConfig(
    model="tiny", precision="float32", dropout=0.0, batch_size=BATCH, learning_rate=0.1,
    momentum=0.9, augment_shift=0.1, augment_rotate=12.0, augment_scale=0.1,
).resolved()  # fmt: skip


def captured(function, arguments):
    """Return the values that a traced function takes besides its arguments: the variables."""
    traced = tf.function(function, jit_compile=True, autograph=False)
    values = []
    for tensor in traced.get_concrete_function(*arguments).captured_inputs:
        if tensor.dtype == tf.resource:
            kept = tensor._handle_data.shape_and_type[0]
            dtype = tf.as_dtype(kept.dtype)
            values.append(tf.raw_ops.ReadVariableOp(resource=tensor, dtype=dtype).numpy())
        else:
            values.append(tensor.numpy())
    return values


def test_eight_replicas_do_what_one_does(monkeypatch, tmp_path, with_jax):
    variables = []
    lower = lowering._lower

    def lower_and_note(function, *arguments):
        variables.extend(captured(function, arguments))
        return lower(function, *arguments)

    monkeypatch.setattr(lowering, "_lower", lower_and_note)
    (tmp_path / "step.mlir").write_text(lowering.lower_step(CONFIG, IMAGES, REPLICAS).text)

    random = np.random.default_rng(0)
    images = random.integers(0, 255, (BATCH, 8, 8)).astype(np.uint8)
    labels = random.integers(0, 4, BATCH)
    shares = [x.reshape(REPLICAS, BATCH // REPLICAS, *x.shape[1:]) for x in (images, labels)]
    np.savez(tmp_path / "in.npz", *shares, *[np.stack([v] * REPLICAS) for v in variables])
    script = Path(__file__).with_name("execute_lowered.py")
    names = [str(tmp_path / name) for name in ("step.mlir", "in.npz", "out.npz")]
    flags = f"--xla_force_host_platform_device_count={REPLICAS}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, script, *names]
    subprocess.run(command, check=True, capture_output=True, env=environment)

    alone = lowering._Trained.build(CONFIG, IMAGES, 1)
    loss = tf.function(alone.strategy.run)(alone.step, args=(images, labels))
    with np.load(tmp_path / "out.npz") as found:
        losses, *updated = (found[f"arr_{i}"] for i in range(len(found.files)))
    np.testing.assert_allclose(losses.sum(), loss, rtol=1e-6)
    for values in updated:
        np.testing.assert_array_equal(values, np.broadcast_to(values[:1], values.shape))
    # Each weight is among them, beside the optimizer's state of the same shape.
    for weight in alone.optimizer._trainable_variables:
        near = [v[0] for v in updated if v.shape[1:] == weight.shape]
        distance = min(np.abs(value - weight.numpy()).max() for value in near)
        assert distance < 1e-6 < np.abs(weight.numpy()).max()
