"""The network to train, and how pixels get into it and values out of it."""

import dataclasses

import keras
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.network.networks import NETWORKS
from idxpipe.components.train.network.own_model import build_own_model
from idxpipe.components.train.network.precision import computing_in

# Source: keras/src/random/seed_generator.py, the name of a SeedGenerator's variable.
_KERAS_SEED = "seed_generator_state"


def build_model(config: TrainConfig, image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Return the network that `config.model` names, weights drawn from `config.seed`.

    Args:
        config: A resolved recipe; `precision` is not auto.
        image_shape: (height, width) or (height, width, channels).
        num_classes: Number of logits.

    Returns:
        A model from float32 [N, *image_shape] in [0, 1] to logits [N, num_classes]; its weights are
        float32.

    Raises:
        UsageError: If it is the user's own and is not there, fails, or gives something else.
    """
    with computing_in(config.precision):
        if ":" in config.model:
            return build_own_model(
                config.model, image_shape, num_classes, config.dropout, config.seed
            )
        network = NETWORKS[config.model]
        return network(image_shape, num_classes, config.dropout, config.seed)


def in_float32(
    model: keras.Model, config: TrainConfig, image_shape: tuple[int, ...], num_classes: int
) -> keras.Model:
    """Return a model of its own that computes in float32, with the weights of `model`.

    Args:
        model: What `build_model` made of the other arguments, trained.
        config: A resolved recipe.
        image_shape: Shape of one image.
        num_classes: Number of logits.
    """
    twin = build_model(dataclasses.replace(config, precision="float32"), image_shape, num_classes)
    for mine, other in zip(twin.variables, model.variables, strict=True):
        mine.assign(other.numpy())
    return twin


def call_model(
    model: keras.Model,
    weights: list[tf.Tensor],
    others: list[tf.Tensor],
    images: tf.Tensor,
    *,
    training: bool,
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """Call a model with values of our own for its variables, which stay as they are.

    Args:
        model: Built.
        weights: A value for each of its trainable variables.
        others: One for each of its untrained ones.
        images: float32 [N, *image_shape] in [0, 1].
        training: Whether dropout and batch statistics are on.

    Returns:
        float32 logits [N, num_classes], what the call makes of `others`, and the losses that its
        layers add.
    """
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    pairs = list(zip(variables, [*weights, *others], strict=True))
    # Not stateless_call: that skips __call__, which hands `training` on to inner layers where a
    # user's own call() does not.
    with keras.StatelessScope(state_mapping=pairs, collect_losses=True) as scope:
        logits = model(images, training=training)
        losses = list(model.losses)
    updated = [scope.get_current_value(variable) for variable in model.non_trainable_variables]
    return tf.cast(logits, tf.float32), updated, losses


def is_random_state(variable: keras.Variable) -> bool:
    """Tell whether an untrained variable is the state of a layer's random numbers."""
    return bool(variable.name == _KERAS_SEED)


def statistics_of(model: keras.Model) -> list[keras.Variable]:
    """Return the untrained variables that training changes, as the averages of normalisation."""
    return [v for v in model.non_trainable_variables if not is_random_state(v)]


def count_weights(model: keras.Model) -> int:
    """Return the number of trained weights."""
    return sum(int(tf.size(weight.value)) for weight in model.trainable_variables)


def to_unit(images: tf.Tensor, pixel_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Scale pixels to what the network takes.

    Args:
        images: Any integer or floating type.
        pixel_range: The pixels that become 0 and 1. None, which is what bytes have, divides
            integers by their type's largest value and leaves floating ones as they are.

    Returns:
        float32 of the same shape: in [0, 1], but for pixels outside their range.
    """
    scaled = tf.cast(images, tf.float32)
    if pixel_range is None:
        return scaled / images.dtype.max if images.dtype.is_integer else scaled
    low, high = pixel_range
    return (scaled - low) / (high - low)
