"""One training step on one replica, and the loop of steps that the device runs by itself."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.train.model import to_unit

# Source: keras/src/random/seed_generator.py, the name of a SeedGenerator's variable.
_KERAS_SEED = "seed_generator_state"


def make_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, batch_size: int, seed: int
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the step that one replica takes.

    Args:
        model: From float32 images to logits; built.
        optimizer: Built for the model's trainable variables; sums gradients over the replicas.
        batch_size: Global batch size.
        seed: Seed of the dropout masks; each step, replica and layer has its own.

    Returns:
        A function from the replica's images and labels to its share of the loss: the mean over the
        global batch is the sum over the replicas.
    """
    weights = model.trainable_variables
    others = model.non_trainable_variables

    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        seeds = _dropout_seeds(seed, optimizer.iterations.value, others)
        values = [tf.convert_to_tensor(weight.value) for weight in weights]
        with tf.GradientTape() as tape:
            tape.watch(values)
            logits, _ = model.stateless_call(values, seeds, to_unit(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / batch_size
        optimizer.apply(tape.gradient(loss, values), weights)
        return loss

    return step


def make_loop(
    strategy: tf.distribute.Strategy, step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> Callable[[Any, tf.Tensor], tf.Tensor]:
    """Return a function that takes n steps on every replica without coming back to the host.

    Args:
        strategy: What the replicas belong to.
        step: One replica's step.

    Returns:
        A function from the batches' iterator and n (int32 scalar) to the mean loss, a float32
        scalar.
    """

    def loop(batches: Any, steps: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for _ in tf.range(steps):
            losses = strategy.run(step, args=next(batches))
            total += strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
        return total / tf.cast(steps, tf.float32)

    compiled: Callable[[Any, tf.Tensor], tf.Tensor] = tf.function(loop)
    return compiled


def _dropout_seeds(seed: int, step: tf.Tensor, variables: list[keras.Variable]) -> list[tf.Tensor]:
    """Return the values of a model's untrained variables, its dropout seeds set for this step."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    values = []
    for number, variable in enumerate(variables):
        value = tf.convert_to_tensor(variable.value)
        if variable.name == _KERAS_SEED:
            base = tf.constant([seed, number], tf.int64)
            for part in (step, replica):
                base = tf.random.experimental.stateless_fold_in(base, tf.cast(part, tf.int64))
            value = tf.cast(base, value.dtype)
        values.append(value)
    return values
