"""Calling a network with values of our own, and what is known of its variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.network.model import (
    build_model,
    call_model,
    count_weights,
    in_float32,
    is_random_state,
    statistics_of,
    to_unit,
)

IMAGES = tf.constant(np.random.default_rng(0).random((6, 8, 8)), tf.float32)


def config(**changes):
    return TrainConfig(**{"precision": "float32", **changes}).resolved()


def values(variables):
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def call(model, training):
    return call_model(
        model,
        values(model.trainable_variables),
        values(model.non_trainable_variables),
        IMAGES,
        training=training,
    )


def test_a_call_leaves_the_variables_as_they_are():
    model = build_model(config(model="resnet"), (8, 8), 4)
    before = values(model.variables)
    logits, updated, losses = call(model, training=True)
    assert logits.shape == (6, 4)
    assert losses == []
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    changed = [
        not np.array_equal(old.value, new)
        for old, new in zip(model.non_trainable_variables, updated, strict=True)
    ]
    assert all(changed)
    np.testing.assert_allclose(call(model, training=False)[0], model(IMAGES), atol=1e-6)


class Inner(keras.Model):
    """A user's model whose call() hands `training` on to nobody, with a loss of its own."""

    def __init__(self):
        super().__init__()
        self.flat = keras.layers.Flatten()
        self.drop = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1))

    def call(self, images):
        return self.out(self.drop(self.flat(images)))


def test_inner_layers_learn_that_this_is_training_and_may_add_losses():
    model = Inner()
    model(IMAGES)
    logits, _, losses = call(model, training=True)
    assert not np.allclose(logits, model(IMAGES))
    (loss,) = losses
    assert float(loss) == pytest.approx(0.1 * float(tf.reduce_sum(model.out.kernel.value**2)))


def test_random_states_and_statistics_are_told_apart():
    model = build_model(config(model="resnet"), (8, 8), 4)
    assert [is_random_state(v) for v in model.non_trainable_variables].count(True) == 1
    assert {v.name for v in statistics_of(model)} == {"moving_mean", "moving_variance"}
    assert count_weights(model) == sum(v.numpy().size for v in model.trainable_variables)


def test_bfloat16_has_float32_weights_and_logits_and_a_twin_that_computes_in_float32():
    mixed = config(model="resnet", precision="bfloat16")
    model = build_model(mixed, (8, 8), 4)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    twin = in_float32(model, mixed, (8, 8), 4)
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    logits, exact = call(model, training=False)[0], call(twin, training=False)[0]
    assert logits.dtype == tf.float32
    assert not np.array_equal(logits, exact)
    np.testing.assert_allclose(logits, exact, atol=0.05)
    # A model of its own, whatever the precision: what is done to it leaves the trained one alone.
    plain = build_model(config(), (8, 8), 4)
    twin = in_float32(plain, config(), (8, 8), 4)
    assert twin is not plain
    np.testing.assert_array_equal(call(twin, training=False)[0], call(plain, training=False)[0])


def test_pixels_are_scaled_by_their_type():
    assert to_unit(tf.constant([0, 51, 255], tf.uint8)).numpy() == pytest.approx([0, 0.2, 1])
    assert to_unit(tf.constant([32767, -32767], tf.int16)).numpy() == pytest.approx([1, -1])
    same = to_unit(tf.constant([0.25, -3.0], tf.float64))
    assert same.dtype == tf.float32
    assert same.numpy() == pytest.approx([0.25, -3])
