"""Batches for the replicas, from the examples in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from idxpipe.components.train.input.order import Order

_PREFETCH = 2


def make_batches(
    strategy: tf.distribute.Strategy,
    images: NDArray[np.generic],
    labels: NDArray[np.int64],
    image_shape: tuple[int, ...],
    order: Order,
    batch_size: int,
) -> Callable[[int, int], Any]:
    """Return a function from (first step, end step) to an iterator over these steps' batches.

    Every replica takes its share of the global batch: replica r of R has positions
    k * B + r * B / R and the following B / R - 1 of the stream in step k.

    Args:
        strategy: What the replicas belong to.
        images: [N, pixels], any dtype.
        labels: int64 [N].
        image_shape: Shape of one image.
        order: Which examples stand where in the stream.
        batch_size: Global batch size B.

    Returns:
        The function. An element of its iterator is, per replica, images [B / R, *image_shape] and
        labels int64 [B / R].
    """
    with tf.device("CPU:0"):
        all_images, all_labels = tf.constant(images), tf.constant(labels)
    replicas = strategy.num_replicas_in_sync
    share = batch_size // replicas

    def batch(step: tf.Tensor, replica: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = order.examples(step * batch_size + replica * share, share)
        rows = tf.gather(all_images, chosen)
        return tf.reshape(rows, [share, *image_shape]), tf.gather(all_labels, chosen)

    def batches(first: int, end: int) -> Any:
        def on_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
            here = replicas // context.num_input_pipelines
            offset = context.input_pipeline_id * here
            options = tf.data.Options()
            # The autotuner sleeps for seconds before it lets go of a dataset.
            options.autotune.enabled = False
            options.deterministic = True
            return (
                tf.data.Dataset.range(first * here, end * here)
                .map(
                    tf.autograph.experimental.do_not_convert(
                        lambda i: batch(i // here, offset + i % here)
                    )
                )
                .prefetch(_PREFETCH * here)
                .with_options(options)
            )

        return iter(strategy.distribute_datasets_from_function(on_host))

    return batches
