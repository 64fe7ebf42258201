"""Scalars for TensorBoard: a file of Event messages, framed as a TFRecord.

tf.summary's writer cannot say that a training was resumed. Without that, TensorBoard shows points
after the last checkpoint twice, if it runs with --load_fast=false.

Source: tensorflow/core/util/event.proto and events_writer.cc.
"""

import os
import socket
import time
from collections.abc import Mapping

import tensorflow as tf

_VERSION = "brain.Event:2"
# TensorBoard groups by what stands before the slash.
_TAGS = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "examples_per_second": "speed/examples_per_second",
    "input_wait": "speed/input_wait",
    "validation_loss": "validation/loss",
    "validation_accuracy": "validation/accuracy",
}
_SCALARS = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)


class Events:
    """Writes the events of one process into a folder, which is made.

    Args:
        folder: Local path.
        first_step: What earlier files of the folder hold of this global step and later ones is
            void.

    Raises:
        tf.errors.OpError: If the folder cannot be written.
    """

    def __init__(self, folder: str, first_step: int) -> None:
        tf.io.gfile.makedirs(folder)
        # Readers take the files in the order of their names, and the last one as still growing.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.v2"
        self._writer = tf.io.TFRecordWriter(os.path.join(folder, name))
        self._write(0, file_version=_VERSION)
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._write(first_step, session_log=start)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Note values, by their names in history.json, at a global step."""
        scalars = [
            tf.compat.v1.Summary.Value(tag=_TAGS[name], simple_value=value, metadata=_SCALARS)
            for name, value in values.items()
        ]
        self._write(step, summary=tf.compat.v1.Summary(value=scalars))

    def flush(self) -> None:
        """Let readers see what was noted."""
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()

    def _write(self, step: int, **what: object) -> None:
        event = tf.compat.v1.Event(wall_time=time.time(), step=step, **what)
        self._writer.write(event.SerializeToString())
