"""make bench-train: the training against a batch in memory, Keras, PyTorch and JAX.

`make bench-train ARGS=steps` runs one part alone; the parts are the functions below and those of
accuracy.py, of which `best` and `precision` take long and run only by name.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

from benchmarks.compare import compare
from benchmarks.rival import rival
from idxpipe.components.core.tf_host import quiet_import

BATCH = 128
STEPS = 30
RIVALS = os.environ.get("IDXPIPE_RIVALS", ".venv-bench/bin/python")


def steps() -> None:
    """Steps of the recipe of 2018, in float32."""
    from benchmarks.training import Fixed, KerasFit, Ours, mnist

    data = mnist("train")
    ours, fixed = Ours(data), Fixed(data)
    fits = {at_once: KerasFit(data, at_once) for at_once in (1, STEPS)}
    with ExitStack() as stack:
        torch = stack.enter_context(rival(RIVALS, "torch_cnn.py", BATCH, "float32"))
        jax = stack.enter_context(rival(RIVALS, "jax_cnn.py", BATCH))
        ways = {
            "idxpipe": lambda: ours.take(STEPS),
            "the same step on one batch in memory": lambda: fixed.take(STEPS),
            f"Keras fit, steps_per_execution={STEPS}": lambda: fits[STEPS].take(STEPS),
            "Keras fit, steps_per_execution=1": lambda: fits[1].take(STEPS),
        }
        if torch:
            ways["PyTorch eager, channels last"] = lambda: torch(STEPS)
        if jax:
            ways["JAX jit"] = lambda: jax(STEPS)
        compare(f"{STEPS} steps of {BATCH}, the network of 2018, float32", ways)


def bfloat16() -> None:
    """The same in bfloat16, where this CPU has it."""
    from benchmarks.training import STRATEGY, Ours, mnist
    from idxpipe.components.train.network.precision import native_precision

    native, reason = native_precision(STRATEGY)
    if native != "bfloat16":
        print(f"\nbfloat16: skipped, {reason}")
        return
    data = mnist("train")
    ours, exact = Ours(data, precision="bfloat16"), Ours(data)
    with rival(RIVALS, "torch_cnn.py", BATCH, "bfloat16") as torch:
        ways = {
            "idxpipe, bfloat16": lambda: ours.take(STEPS),
            "idxpipe, float32": lambda: exact.take(STEPS),
        }
        if torch:
            ways["PyTorch eager, channels last, bfloat16"] = lambda: torch(STEPS)
        compare(f"{STEPS} steps of {BATCH}, the network of 2018, bfloat16", ways)


def whole() -> None:
    """A whole training with checkpoints and logs, against its steps at their median rate."""
    from benchmarks.training import KerasFit, Ours, mnist
    from idxpipe.components.train.run import run
    from idxpipe.components.train.state.checkpoints import Checkpoints
    from idxpipe.components.train.state.history import History

    data = mnist("train")
    ours = Ours(data, train_steps=600)
    with tempfile.TemporaryDirectory(prefix="idxpipe-bench-") as folder:
        os.mkdir(f"{folder}/checkpoints")
        saved = Checkpoints(f"{folder}/checkpoints", ours.network, ours.optimizer, keep=3)
        began = time.perf_counter()
        rates = run(ours.config, ours.loop, ours.batches, saved, History(f"{folder}/logs", None))
        took = time.perf_counter() - began
    alone = ours.config.train_steps * BATCH / statistics.median(rates)
    print(f"\na whole training of {ours.config.train_steps} steps, with tracing and checkpoints")
    print(f"  idxpipe{'':<37}{took:>9.3f} s{took / alone:>9.2f} x its steps at their median rate")
    fit = KerasFit(data, 50)
    steady = fit.take(300)
    took = fit.whole(300)
    print(f"  Keras fit, 300 steps{'':<24}{took:>9.3f} s{took / steady:>9.2f} x")


def start() -> None:
    """From the start of the process to the end of the first step, and of its checkpoint."""
    with tempfile.TemporaryDirectory(prefix="idxpipe-bench-") as folder:
        _idxpipe("convert", "--data", "data/mnist", "--output", folder, "--num-shards", "4")

        def ours() -> float:
            with tempfile.TemporaryDirectory(dir=folder) as output:
                return _until_line("step 1/1", f"{folder}/train", output)

        compare(
            "from the start of the process to the first step",
            {
                "import tensorflow and one traced step": lambda: _until_first_step(PLAIN),
                "import tensorflow and keras": lambda: _until_first_step(IMPORT),
                "idxpipe train": ours,
            },
            rounds=3,
        )


def _idxpipe(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "idxpipe", *words], check=True, capture_output=True)


def _until_line(line: str, records: str, output: str) -> float:
    """Return the seconds until `idxpipe train` says a line, which it does after a checkpoint."""
    words = ("train", "--records", records, "--output", output, "--train-steps", "1")
    began = time.time()
    with subprocess.Popen(
        [sys.executable, "-m", "idxpipe", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        while not process.stderr.readline().startswith(line):
            if process.poll() is not None:
                raise RuntimeError("idxpipe train failed")
        took = time.time() - began
        process.kill()
    return took


def _until_first_step(script: str, *arguments: str) -> float:
    """Return the seconds until a script says that it is there; it is told when it started."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(time.time()), *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


IMPORT = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import tensorflow, keras
print(time.time() - float(sys.argv[1]))
"""

PLAIN = """
import os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import tensorflow as tf, keras
layers = keras.layers
model = keras.Sequential([
    layers.Input((28, 28, 1)),
    layers.Conv2D(32, 5, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Conv2D(64, 5, padding="same", activation="relu"),
    layers.MaxPooling2D(),
    layers.Flatten(),
    layers.Dense(1024, activation="relu"),
    layers.Dropout(0.4),
    layers.Dense(10),
])
optimizer = keras.optimizers.SGD(0.05)

@tf.function
def step(images, labels):
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss

float(step(tf.zeros((128, 28, 28, 1)), tf.zeros(128, tf.int64)))
print(time.time() - float(sys.argv[1]))
"""

if __name__ == "__main__":
    with quiet_import():
        import tensorflow as tf

        tf.config.list_logical_devices()
        from benchmarks.accuracy import best, fast, precision
    usual = {part.__name__: part for part in (steps, bfloat16, whole, start, fast)}
    parts = usual | {part.__name__: part for part in (best, precision)}
    for name in sys.argv[1:] or usual:
        parts[name]()
