"""The network of 2018 and how pixels reach it.

Source: tensorflow/models, official/mnist/mnist.py at commit 7087ec9b.
"""

import keras
import numpy as np
import tensorflow as tf

from components.train.config import TrainConfig


def build_model(
    image_shape: tuple[int, ...], num_classes: int, dropout: float, seed: int
) -> keras.Sequential:
    """Return the convolutional network, weights drawn from `seed`.

    Args:
        image_shape: (height, width) or (height, width, channels).
        num_classes: Width of the last layer.
        dropout: Share of the dense layer's units that a step drops.
        seed: The same seed gives the same weights.

    Returns:
        A model from float32 [N, *image_shape] in [0, 1] to float32 logits [N, num_classes].
    """
    # One seed a layer: equal seeds would draw equal numbers into layers of equal shape.
    seeds = (int(s) for s in np.random.SeedSequence(seed).generate_state(4))

    def glorot() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def conv(name: str, filters: int) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            filters,
            kernel_size=5,
            padding="same",
            activation="relu",
            data_format="channels_last",
            kernel_initializer=glorot(),
            name=name,
        )

    def pool(name: str) -> keras.layers.Layer:
        return keras.layers.MaxPooling2D(
            pool_size=2, strides=2, padding="same", data_format="channels_last", name=name
        )

    height, width, channels = (*image_shape, 1)[:3]
    return keras.Sequential(
        [
            keras.layers.Input(image_shape, dtype="float32"),
            keras.layers.Reshape((height, width, channels), name="channels"),
            conv("conv1", 32),
            pool("pool1"),
            conv("conv2", 64),
            pool("pool2"),
            keras.layers.Flatten(data_format="channels_last", name="flatten"),
            keras.layers.Dense(1024, activation="relu", kernel_initializer=glorot(), name="dense"),
            # The seed here is a placeholder: each step gives its own, see step.py.
            keras.layers.Dropout(dropout, seed=0, name="dropout"),
            keras.layers.Dense(num_classes, kernel_initializer=glorot(), name="logits"),
        ],
        name="cnn",
    )


def build_optimizer(config: TrainConfig) -> keras.optimizers.Optimizer:
    """Return SGD whose learning rate at step k is learning_rate * decay_rate^(k / decay_steps)."""
    schedule = keras.optimizers.schedules.ExponentialDecay(
        config.learning_rate, config.decay_steps, config.decay_rate
    )
    return keras.optimizers.SGD(schedule)


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """Scale pixels to what the network takes.

    Args:
        images: Any integer or floating type; integers are divided by their type's largest value.

    Returns:
        float32 of the same shape: unsigned integers in [0, 1], floating ones as they were.
    """
    scaled = tf.cast(images, tf.float32)
    return scaled / images.dtype.max if images.dtype.is_integer else scaled
