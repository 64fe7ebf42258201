"""The networks that are built in, each for any image shape and number of classes.

All take float32 [N, *image_shape] in [0, 1] and give float32 logits [N, num_classes]; `dropout` is
the share of the units before the last layer that a step drops, and the same `seed` gives the same
weights.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np


def cnn(
    image_shape: tuple[int, ...], num_classes: int, dropout: float, seed: int
) -> keras.Sequential:
    """Return the network of 2018: 3,274,634 weights for 28x28 images of ten classes.

    Source: tensorflow/models, official/mnist/mnist.py at commit 7087ec9b.
    """
    seeds = _seeds(seed)

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

    return keras.Sequential(
        [
            keras.layers.Input(image_shape, dtype="float32", name="images"),
            _channels(image_shape),
            conv("conv1", 32),
            _pool("pool1"),
            conv("conv2", 64),
            _pool("pool2"),
            keras.layers.Flatten(data_format="channels_last", name="flatten"),
            keras.layers.Dense(1024, activation="relu", kernel_initializer=glorot(), name="dense"),
            _dropout(dropout),
            _logits(num_classes, glorot()),
        ],
        name="cnn",
    )


def tiny(
    image_shape: tuple[int, ...], num_classes: int, dropout: float, seed: int
) -> keras.Sequential:
    """Return a network for a few seconds: three convolutions over blocks of 2x2 pixels."""
    seeds = _seeds(seed)
    return keras.Sequential(
        [
            keras.layers.Input(image_shape, dtype="float32", name="images"),
            _channels(image_shape),
            *_blocks(image_shape),
            _conv("conv1", 32, seeds),
            keras.layers.ReLU(name="relu1"),
            _pool("pool1"),
            _conv("conv2", 64, seeds),
            keras.layers.ReLU(name="relu2"),
            _pool("pool2"),
            _conv("conv3", 64, seeds),
            keras.layers.ReLU(name="relu3"),
            keras.layers.Flatten(data_format="channels_last", name="flatten"),
            _dropout(dropout),
            _logits(num_classes, _he(seeds)),
        ],
        name="tiny",
    )


def resnet(
    image_shape: tuple[int, ...], num_classes: int, dropout: float, seed: int
) -> keras.Model:
    """Return a residual network over blocks of 2x2 pixels.

    Its batch normalization sees the whole global batch, whatever the number of replicas.

    Source: He et al., Deep Residual Learning for Image Recognition (arXiv:1512.03385).
    """
    seeds = _seeds(seed)

    def conv(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
        x = _conv(name, filters, seeds, use_bias=False)(x)
        norm = keras.layers.BatchNormalization(momentum=0.9, synchronized=True, name=f"{name}_norm")
        return keras.layers.ReLU(name=f"{name}_relu")(norm(x))

    images = keras.Input(image_shape, dtype="float32", name="images")
    x = images
    for layer in [_channels(image_shape), *_blocks(image_shape)]:
        x = layer(x)
    for number, filters in (("1", 32), ("2", 64)):
        x = conv(x, filters, f"conv{number}")
        x = keras.layers.Add(name=f"add{number}")([x, conv(x, filters, f"residual{number}")])
        x = _pool(f"pool{number}")(x)
    x = conv(x, 128, "conv3")
    x = keras.layers.Flatten(data_format="channels_last", name="flatten")(x)
    x = _dropout(dropout)(x)
    logits = _logits(num_classes, _he(seeds))(x)
    return keras.Model(images, logits, name="resnet")


def _seeds(seed: int) -> Iterator[int]:
    """Yield a seed a layer: equal seeds would draw equal numbers into layers of equal shape."""
    return (int(s) for s in np.random.SeedSequence(seed).generate_state(32))


def _channels(image_shape: tuple[int, ...]) -> keras.layers.Layer:
    return keras.layers.Reshape((*image_shape, 1)[:3], name="channels")


def _blocks(image_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    """Turn 2x2 pixels into one of four times the channels: a quarter of the work, nothing lost."""
    height, width, channels = (*image_shape, 1)[:3]
    rows, columns = -(-height // 2), -(-width // 2)
    padding = ((0, 2 * rows - height), (0, 2 * columns - width))
    return [
        keras.layers.ZeroPadding2D(padding, data_format="channels_last", name="even"),
        keras.layers.Reshape((rows, 2, columns, 2 * channels), name="rows"),
        keras.layers.Permute((1, 3, 2, 4), name="columns"),
        keras.layers.Reshape((rows, columns, 4 * channels), name="blocks"),
    ]


def _conv(
    name: str, filters: int, seeds: Iterator[int], use_bias: bool = True
) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        filters,
        kernel_size=3,
        padding="same",
        use_bias=use_bias,
        data_format="channels_last",
        kernel_initializer=_he(seeds),
        name=name,
    )


def _pool(name: str) -> keras.layers.Layer:
    return keras.layers.MaxPooling2D(
        pool_size=2, strides=2, padding="same", data_format="channels_last", name=name
    )


def _he(seeds: Iterator[int]) -> keras.initializers.Initializer:
    return keras.initializers.HeUniform(seed=next(seeds))


def _dropout(rate: float) -> keras.layers.Layer:
    # The seed here is a placeholder: each step gives its own, see step.py.
    return keras.layers.Dropout(rate, seed=0, name="dropout")


def _logits(num_classes: int, initializer: keras.initializers.Initializer) -> keras.layers.Layer:
    # float32 whatever the precision of the rest: the loss needs all the digits.
    return keras.layers.Dense(
        num_classes, kernel_initializer=initializer, dtype="float32", name="logits"
    )


NETWORKS: dict[str, Callable[..., keras.Model]] = {"cnn": cnn, "tiny": tiny, "resnet": resnet}
