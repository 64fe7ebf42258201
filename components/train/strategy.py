"""Which devices train, and how the batch is split over them."""

from typing import Any

import tensorflow as tf

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.google.grpc_address import SCHEME, check_answers
from idxpipe.components.core.narration import awaiting


def choose_strategy(device: DeviceConfig) -> tf.distribute.Strategy:
    """Return the strategy for the accelerator that was asked for.

    One device needs none, several of a kind get a mirrored one, a TPU its own.

    Raises:
        SetupError: If the accelerator is absent, or the TPU has a different number of cores from a
            `device.num_replicas` that is not 0.
    """
    kind = device.accelerator
    if kind == "auto":
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        kind = "tpu" if device.tpu else "gpu" if has_gpu else "cpu"
    if kind == "tpu":
        return _tpu_strategy(device)
    return _local_strategy(kind.upper())


def check_batch_size(batch_size: int, replicas: int) -> None:
    """Check that the global batch can be split evenly.

    Raises:
        UsageError: Naming both numbers.
    """
    if batch_size % replicas:
        raise UsageError(
            "global batch cannot be split evenly over the replicas",
            where="batch_size",
            expected=f"a multiple of {replicas} replicas",
            found=batch_size,
            remedy=f"for example {-(-batch_size // replicas) * replicas}",
        )


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Return whether a strategy's replicas are cores of a TPU."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def describe_device(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Return kind and number of what a strategy trains on, as JSON values."""
    kind = "TPU" if is_tpu(strategy) else "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    return {"accelerator": kind, "replicas": strategy.num_replicas_in_sync}


def _local_strategy(kind: str) -> tf.distribute.Strategy:
    if not tf.config.list_physical_devices(kind):
        raise SetupError(
            f"no {kind} on this machine that TensorFlow can use",
            where="accelerator",
            found=", ".join(d.name for d in tf.config.list_physical_devices()),
            remedy="check the driver, or use accelerator `auto` or `cpu`",
        )
    if kind == "CPU" and tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
    names = [d.name for d in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()


def _tpu_strategy(device: DeviceConfig) -> tf.distribute.Strategy:
    name = device.tpu or "local"
    if name.startswith(SCHEME):
        check_answers(name)
    what = "the TPU of this machine" if name == "local" else f"the TPU {name}"
    try:
        with awaiting(what):
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
            if name != "local":
                tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
            strategy = tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, ImportError, OSError, tf.errors.OpError) as error:
        raise SetupError(
            "no TPU here that TensorFlow can use",
            where="tpu",
            expected=f"TPU `{name}`",
            found=str(error).splitlines()[0] if str(error) else type(error).__name__,
            remedy="check its name and zone, run on a TPU VM with the image for TPUs, "
            "or use accelerator `cpu`",
        ) from None
    if device.num_replicas not in {0, strategy.num_replicas_in_sync}:
        raise SetupError(
            "the TPU has a different number of cores from the one expected",
            where="num_replicas",
            expected=device.num_replicas,
            found=strategy.num_replicas_in_sync,
            remedy="set num_replicas to 0 for all that are there, or take another TPU",
        )
    return strategy
