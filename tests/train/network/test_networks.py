"""The networks that are built in."""

import keras
import numpy as np
import pytest

from idxpipe.components.train.config import MODELS
from idxpipe.components.train.network.networks import NETWORKS, cnn


def test_all_that_can_be_named_are_there():
    assert tuple(NETWORKS) == MODELS


def test_is_the_network_of_2018():
    model = cnn((28, 28), 10, 0.4, seed=0)
    layers = {layer.name: layer for layer in model.layers}
    assert list(layers) == [
        "channels",
        "conv1",
        "pool1",
        "conv2",
        "pool2",
        "flatten",
        "dense",
        "dropout",
        "logits",
    ]
    for name, filters, side in (("conv1", 32, 28), ("conv2", 64, 14)):
        config = layers[name].get_config()
        assert (config["kernel_size"], config["strides"]) == ((5, 5), (1, 1))
        assert (config["padding"], config["activation"]) == ("same", "relu")
        assert config["kernel_initializer"]["class_name"] == "GlorotUniform"
        assert layers[name].output.shape == (None, side, side, filters)
    for name in ("pool1", "pool2"):
        config = layers[name].get_config()
        assert (config["pool_size"], config["strides"]) == ((2, 2), (2, 2))
        assert config["padding"] == "same"
    assert layers["dense"].get_config()["activation"] == "relu"
    assert layers["dense"].units == 1024
    assert layers["dropout"].rate == 0.4
    assert layers["logits"].get_config()["activation"] == "linear"
    assert model.count_params() == 3_274_634
    biases = [w for w in model.trainable_variables if w.name == "bias"]
    assert len(biases) == 4
    assert not any(bias.numpy().any() for bias in biases)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("shape", [(8, 8), (9, 7, 3), (1, 1)])
def test_takes_any_shape_and_class_count(network, shape):
    model = network(shape, 62, 0.4, seed=0)
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, 62)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_weights_come_from_the_seed(network):
    one, same, other = (network((8, 8), 4, 0.4, seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.name == "kernel":
            assert not np.array_equal(a, c)


@pytest.mark.parametrize("shape", [(4, 6), (5, 3, 2)])
def test_blocks_hold_the_pixels_of_four_neighbours(shape):
    model = NETWORKS["tiny"](shape, 4, 0.0, seed=0)
    blocks = keras.Model(model.inputs[0], model.get_layer("blocks").output)
    images = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    padded = np.pad(images.reshape(1, *shape[:2], -1), [(0, 0), (0, 1), (0, 1), (0, 0)])
    found = blocks(images).numpy()
    for row, column in np.ndindex(found.shape[1:3]):
        here = padded[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        np.testing.assert_array_equal(found[0, row, column], here.ravel())


def test_normalization_of_the_resnet_sees_all_replicas():
    norms = [
        layer
        for layer in NETWORKS["resnet"]((8, 8), 4, 0.0, seed=0).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 5
    assert all(layer.synchronized for layer in norms)
