import numpy as np
import pytest
import tensorflow as tf

from components.train.config import TrainConfig
from components.train.model import build_model, build_optimizer, to_unit


def test_is_the_network_of_2018():
    model = build_model((28, 28), 10, 0.4, seed=0)
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


@pytest.mark.parametrize("shape", [(8, 8), (9, 7, 3), (1, 1)])
def test_takes_any_shape_and_class_count(shape):
    model = build_model(shape, 62, 0.4, seed=0)
    assert model(np.zeros((2, *shape), np.float32)).shape == (2, 62)


def test_weights_come_from_the_seed():
    one, same, other = (build_model((8, 8), 4, 0.4, seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if a.name == "kernel":
            assert not np.array_equal(a, c)


def test_learning_rate_decays_continuously():
    config = TrainConfig(learning_rate=0.05, decay_steps=100_000, decay_rate=0.96)
    schedule = build_optimizer(config)._learning_rate
    for step in (0, 1, 500, 100_000, 250_000):
        assert float(schedule(step)) == pytest.approx(0.05 * 0.96 ** (step / 100_000))


def test_pixels_are_scaled_by_their_type():
    assert to_unit(tf.constant([0, 51, 255], tf.uint8)).numpy() == pytest.approx([0, 0.2, 1])
    assert to_unit(tf.constant([32767, -32767], tf.int16)).numpy() == pytest.approx([1, -1])
    same = to_unit(tf.constant([0.25, -3.0], tf.float64))
    assert same.dtype == tf.float32
    assert same.numpy() == pytest.approx([0.25, -3])
