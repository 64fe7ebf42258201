"""How long the steps of a loop waited for their batches."""

from typing import Any

import tensorflow as tf


class TimedBatches:
    """An iterator over batches that notes, on the host, how long each `next` took.

    It is read inside the loop's `tf.function`: what is noted there costs no return to Python.

    Args:
        batches: Iterator of a distributed dataset.
    """

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)

    def __next__(self) -> Any:
        """Return the next batch."""
        # Nothing but these edges would keep the clock from being read sooner or later.
        with tf.device("CPU:0"):
            began = tf.timestamp()
        with tf.control_dependencies([began]):
            batch = next(self._batches)
        parts = [p for part in batch for p in getattr(part, "values", [part])]
        with tf.control_dependencies(parts), tf.device("CPU:0"):
            self._seconds.assign_add(tf.timestamp() - began)
        return batch

    def __iter__(self) -> "TimedBatches":
        """Return itself."""
        return self

    def take_seconds(self) -> float:
        """Return the seconds noted since the last call."""
        seconds = float(self._seconds.numpy())
        self._seconds.assign(0.0)
        return seconds
