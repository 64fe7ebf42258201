"""Which numbers the network computes in; its weights, logits and loss are float32 in any case."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.train.strategy import is_tpu

# Sources: the flags' names in /proc/cpuinfo, arch/x86/include/asm/cpufeatures.h of Linux; the first
# GPUs with bfloat16 are those of compute capability 8.0 (CUDA C++ Programming Guide).
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
_GPU_CAPABILITY = (8, 0)


def choose_precision(asked: str, earlier: str, strategy: tf.distribute.Strategy) -> tuple[str, str]:
    """Return the precision to train in, and why.

    Args:
        asked: `auto`, `float32` or `bfloat16`.
        earlier: What the checkpoints to go on from were made in; empty if there are none.
        strategy: What will train.
    """
    if asked != "auto":
        return asked, "as asked for"
    if earlier:
        return earlier, "as its checkpoints"
    return native_precision(strategy)


def native_precision(strategy: tf.distribute.Strategy) -> tuple[str, str]:
    """Return bfloat16 where the devices compute in it natively, else float32, and why."""
    if is_tpu(strategy):
        return "bfloat16", "native to TPUs"
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        lowest = min(each.get("compute_capability", (0, 0)) for each in details)
        capability = ".".join(map(str, lowest))
        if lowest >= _GPU_CAPABILITY:
            return "bfloat16", f"native to GPUs of compute capability {capability}"
        return "float32", f"GPUs of compute capability {capability} have no native bfloat16"
    flags = _CPU_FLAGS & _cpu_flags()
    if flags:
        return "bfloat16", f"native to this CPU: {', '.join(sorted(flags))}"
    return "float32", "this CPU has no native bfloat16"


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Let the layers that are made inside this block compute in `precision`."""
    if precision == "bfloat16":
        _hush_fallback()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _hush_fallback() -> None:
    """Let TensorFlow say now, unheard, what it says once of bfloat16 on a CPU without AVX512.

    oneDNN cannot compute in it there and falls back to Eigen, which the first operation tells.
    """
    with quiet_import(), tf.device("CPU:0"):
        one = tf.ones([1, 1], tf.bfloat16)
        tf.matmul(one, one)


def _cpu_flags(path: str = "/proc/cpuinfo") -> set[str]:
    """Return what the first processor can do; empty where the system does not say it this way."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
