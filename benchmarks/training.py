"""Trainings of idxpipe and of Keras on MNIST in memory, for benchmarks.train."""

import gzip
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.order import Order
from idxpipe.components.train.network.model import build_model, to_unit
from idxpipe.components.train.optimizer import build_optimizer
from idxpipe.components.train.step import make_loop, make_step

MNIST = Path("data/mnist")
SHAPE, CLASSES = (28, 28), 10
STRATEGY = tf.distribute.get_strategy()


def mnist(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 [N, 784] and labels int64 [N] of `train` or `t10k`."""
    images, labels = (
        np.frombuffer(gzip.decompress((MNIST / f"{split}-{name}.gz").read_bytes())[start:], "u1")
        for name, start in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    return images.reshape(-1, 784), labels.astype(np.int64)


class Ours:
    """What the train stage trains, without its checkpoints and logs."""

    def __init__(self, data: tuple[np.ndarray, np.ndarray], **changes: object) -> None:
        """Build all for a resolved recipe, with `changes` to the default one."""
        self.config = TrainConfig(**{"precision": "float32", **changes}).resolved()
        self.network = build_model(self.config, SHAPE, CLASSES)
        self.optimizer = build_optimizer(self.config, self.network.trainable_variables)
        self.order = Order(len(data[0]), self.config.shuffle_buffer, self.config.seed)
        self.batches = make_batches(STRATEGY, *data, SHAPE, self.order, self.config.batch_size)
        self.step = make_step(self.network, self.optimizer, self.config)
        self.loop = make_loop(STRATEGY, self.step)
        self._stream = None

    def take(self, steps: int) -> None:
        """Take steps on the stream of batches."""
        if self._stream is None:
            self._stream = self.batches(0, 1 << 40)
        float(self.loop(self._stream, tf.constant(steps), tf.constant(0.0))[0])

    def whole(self) -> float:
        """Train to the end in one loop after another, traced before; return the seconds."""
        end = self.config.train_steps
        self.loop.get_concrete_function(self.batches(0, 1), tf.constant(1), tf.constant(0.0))
        stream = self.batches(0, end)
        began = time.perf_counter()
        for first in range(0, end, self.config.iterations):
            steps = min(self.config.iterations, end - first)
            float(self.loop(stream, tf.constant(steps), tf.constant(0.0))[0])
        return time.perf_counter() - began

    def accuracy(self, data: tuple[np.ndarray, np.ndarray]) -> float:
        """Return the share of images that the network classifies right."""
        images, labels = data

        @tf.function
        def classes(rows: tf.Tensor) -> tf.Tensor:
            return tf.argmax(self.network(to_unit(tf.reshape(rows, [-1, *SHAPE]))), 1)

        found = [classes(tf.constant(rows)).numpy() for rows in np.array_split(images, 20)]
        return float((np.concatenate(found) == labels).mean())


class Fixed(Ours):
    """The same step on one batch in memory: no input at all."""

    def __init__(self, data: tuple[np.ndarray, np.ndarray], **changes: object) -> None:
        """Build all, with the first examples as the batch."""
        super().__init__(data, **changes)
        count = self.config.batch_size
        images = tf.constant(data[0][:count].reshape(count, *SHAPE))
        labels = tf.constant(data[1][:count])

        @tf.function
        def loop(steps: tf.Tensor) -> tf.Tensor:
            total = tf.constant(0.0)
            for _ in tf.range(steps):
                total += STRATEGY.run(self.step, args=(images, labels))
            return total

        self.fixed = loop

    def take(self, steps: int) -> None:
        """Take steps on the one batch."""
        float(self.fixed(tf.constant(steps)))


class KerasFit:
    """Keras's own loop over tf.data as its guides write it, but without the autotuner.

    With it, fit stalls for seconds when its iterator ends.
    """

    def __init__(self, data: tuple[np.ndarray, np.ndarray], at_once: int) -> None:
        """Compile the network of 2018.

        Args:
            data: Images and labels.
            at_once: Steps between two returns to Python.
        """
        config = TrainConfig(precision="float32").resolved()
        self.model = build_model(config, SHAPE, CLASSES)
        self.model.compile(
            optimizer=build_optimizer(config, self.model.trainable_variables),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=at_once,
            jit_compile=False,
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        self.dataset = (
            tf.data.Dataset.from_tensor_slices((data[0].reshape(-1, *SHAPE), data[1]))
            .shuffle(10_000, seed=0)
            .repeat()
            .batch(config.batch_size)
            .map(lambda images, labels: (to_unit(images), labels))
            .prefetch(2)
            .with_options(options)
        )
        self.at_once = at_once

    def take(self, steps: int) -> float:
        """Return the seconds that steps take once fit is under way."""
        times: list[float] = []
        note = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: times.append(time.perf_counter())
        )
        # Without a progress bar, which costs time.
        self._fit(steps + self.at_once, [note])
        return times[-1] - times[0]

    def whole(self, steps: int) -> float:
        """Return the seconds of a whole call of fit."""
        began = time.perf_counter()
        self._fit(steps, [])
        return time.perf_counter() - began

    def _fit(self, steps: int, callbacks: list[keras.callbacks.Callback]) -> None:
        self.model.fit(
            self.dataset, steps_per_epoch=steps, verbose=0, callbacks=callbacks, shuffle=False
        )
