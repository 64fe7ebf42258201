"""One training step on one replica, and the loop of steps that the device runs by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from idxpipe.components.train.augment import Augmentation
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.network.model import call_model, is_random_state, to_unit

_MEAN, _SUM = tf.distribute.ReduceOp.MEAN, tf.distribute.ReduceOp.SUM


def make_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    config: TrainConfig,
    *,
    tpu: bool = False,
    pixel_range: tuple[float, float] | None = None,
    class_weights: Sequence[float] = (),
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the step that one replica takes.

    Each step, replica and layer has a dropout mask of its own, a function of the seed. Moving
    statistics become the mean over the replicas; batch statistics are each replica's own, unless
    the layer synchronises them, as those of `resnet` do.

    Args:
        model: From float32 images to logits; built.
        optimizer: Built for the model's trainable variables; sums gradients over the replicas.
        config: A resolved recipe.
        tpu: Whether the replica is a TPU's core.
        pixel_range: See `to_unit`.
        class_weights: What an example of each class counts; empty is 1 for all.

    Returns:
        A function from the replica's images and labels to its share of the loss: the mean over the
        global batch is the sum over the replicas.
    """
    weights = model.trainable_variables
    others = model.non_trainable_variables
    augment = Augmentation.of(config, tpu)

    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        replica, number = context.replica_id_in_sync_group, optimizer.iterations.value
        inputs = to_unit(images, pixel_range)
        if augment:
            inputs = augment(inputs, number, replica)
        states = _with_dropout_seeds(others, config.seed, number, replica)
        values = [tf.convert_to_tensor(weight.value) for weight in weights]
        with tf.GradientTape() as tape:
            tape.watch(values)
            logits, changed, added = call_model(model, values, states, inputs, training=True)
            losses = _cross_entropy(labels, logits, config.label_smoothing)
            if len(class_weights):
                losses *= tf.gather(tf.constant(class_weights, tf.float32), labels)
            loss = tf.reduce_sum(losses) / config.batch_size
            if added:
                loss += tf.add_n(added) / context.num_replicas_in_sync
        optimizer.apply(tape.gradient(loss, values), weights)
        _keep_statistics(others, states, changed)
        return loss

    return step


Loop = Callable[[Any, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def make_loop(
    strategy: tf.distribute.Strategy,
    step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    stop: tf.Variable | None = None,
) -> Loop:
    """Return a function that takes n steps on every replica without coming back to the host.

    Args:
        strategy: What the replicas belong to.
        step: One replica's step.
        stop: A bool on the host; once it is true, the step that is under way is the last.

    Returns:
        A function from the batches' iterator, n (int32 scalar) and the sum of the losses so far
        (float32 scalar) to that sum with the losses of these steps, and to how many were taken.
    """

    def loop(batches: Any, steps: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def goes_on(taken: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
            del total
            left = taken < steps
            if stop is None:
                return left
            # One step at least: there is something to save then.
            return left & ((taken == 0) | ~stop.read_value())

        def take(taken: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            losses = strategy.run(step, args=next(batches))
            return taken + 1, total + strategy.reduce(_SUM, losses, axis=None)

        taken, total = tf.while_loop(goes_on, take, [tf.constant(0), total])
        return total, taken

    # AutoGraph would rewrite all that is called, which takes longer than to trace it. Keras's own
    # training loop goes without it, too.
    compiled: Loop = tf.function(loop, autograph=False)
    return compiled


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return each example's loss, float32 [N]."""
    if not smoothing:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    classes = logits.shape[-1]
    shares = tf.one_hot(labels, classes, 1 - smoothing + smoothing / classes, smoothing / classes)
    return tf.nn.softmax_cross_entropy_with_logits(shares, logits)


def _with_dropout_seeds(
    variables: list[keras.Variable], seed: int, step: tf.Tensor, replica: tf.Tensor
) -> list[tf.Tensor]:
    """Return the values of a model's untrained variables, its dropout seeds set for this step."""
    values = []
    for number, variable in enumerate(variables):
        value = tf.convert_to_tensor(variable.value)
        if is_random_state(variable):
            base = tf.constant([seed, number], tf.int64)
            for part in (step, replica):
                base = tf.random.experimental.stateless_fold_in(base, tf.cast(part, tf.int64))
            value = tf.cast(base, value.dtype)
        values.append(value)
    return values


def _keep_statistics(
    variables: list[keras.Variable], before: list[tf.Tensor], after: list[tf.Tensor]
) -> None:
    """Give untrained variables what the step made of them: the mean over the replicas."""
    context = tf.distribute.get_replica_context()
    changed, values = [], []
    for variable, old, new in zip(variables, before, after, strict=True):
        if new is not old and not is_random_state(variable):
            changed.append(variable.value)
            floating = new.dtype.is_floating
            values.append(context.all_reduce(_MEAN, new) if floating else new)
    if not changed:
        return

    def assign(strategy: tf.distribute.Strategy, *values: tf.Tensor) -> None:
        for variable, value in zip(changed, values, strict=True):
            strategy.extended.update(variable, _assign, args=(value,), group=False)

    # Variables that several devices hold are written outside of the replicas; so does Keras's
    # optimizer (keras/src/backend/tensorflow/optimizer.py).
    tf.__internal__.distribute.interim.maybe_merge_call(assign, context.strategy, *values)


def _assign(variable: tf.Variable, value: tf.Tensor) -> tf.Operation:
    return variable.assign(value)
