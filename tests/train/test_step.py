import keras
import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.order import Order
from idxpipe.components.train.network.model import build_model, statistics_of
from idxpipe.components.train.optimizer import build_optimizer
from idxpipe.components.train.step import _cross_entropy, _with_dropout_seeds, make_loop, make_step
from tests.datasets import spots


def config(**changes):
    return TrainConfig(batch_size=8, **{"precision": "float32", **changes}).resolved()


def test_dropout_seeds_depend_on_seed_step_and_replica_alone():
    variables = build_model(config(), (8, 8), 4).non_trainable_variables
    assert len(variables) == 1

    def seeds(seed, step, replica):
        (found,) = _with_dropout_seeds(variables, seed, tf.constant(step), tf.constant(replica))
        return found.numpy().tolist()

    assert seeds(0, 5, 0) == seeds(0, 5, 0)
    assert len({tuple(seeds(s, k, r)) for s in (0, 1) for k in (0, 1) for r in (0, 1)}) == 8


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_keras_s(smoothing):
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 3, 1, 1, 2])
    keras_s = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )
    expected = keras_s(np.eye(4, dtype=np.float32)[labels], logits)
    found = _cross_entropy(tf.constant(labels), tf.constant(logits), smoothing)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def trained(steps, **changes):
    """The model and the loss after some steps."""
    images, labels = spots(16)
    recipe = config(**changes)
    model = build_model(recipe, (8, 8), 4)
    optimizer = build_optimizer(recipe, model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    batches = make_batches(strategy, images.reshape(16, -1), labels, (8, 8), Order(16, 1, 0), 8)
    loop = make_loop(strategy, make_step(model, optimizer, recipe))
    total, taken = loop(batches(0, steps), tf.constant(steps), tf.constant(0.0))
    assert taken == steps
    return model, float(total) / steps


def test_steps_are_sgd_with_a_decaying_rate_on_the_mean_loss():
    """Against nothing but the formula of SGD."""
    images, labels = spots(16)
    model = build_model(config(dropout=0.0), (8, 8), 4)
    losses = []
    for k, rate in enumerate((0.1, 0.05, 0.025)):
        rows = slice(0, 8) if k % 2 == 0 else slice(8, 16)
        with tf.GradientTape() as tape:
            logits = model(images[rows].astype(np.float32) / 255)
            one_hot = tf.one_hot(labels[rows], 4)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(one_hot, logits))
        weights = [w.value for w in model.trainable_variables]
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(rate * gradient)
        losses.append(float(loss))
    found, mean = trained(3, dropout=0.0, learning_rate=0.1, decay_steps=1, decay_rate=0.5)
    assert mean == pytest.approx(np.mean(losses), rel=1e-5)
    for weight, expected in zip(found.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_allclose(weight, expected.numpy(), atol=1e-6)


def test_moving_statistics_follow_the_batches():
    found, _ = trained(1, model="resnet", dropout=0.0)
    images, _ = spots(16)
    fresh = build_model(config(model="resnet", dropout=0.0), (8, 8), 4)
    fresh(images[:8].astype(np.float32) / 255, training=True)
    statistics = statistics_of(fresh)
    assert len(statistics) == 10
    for value, expected in zip(statistics_of(found), statistics, strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_augmentation_and_smoothing_change_what_is_learned():
    losses = [
        trained(1, dropout=0.0, **changes)[1]
        for changes in ({}, {"augment_shift": 0.3}, {"label_smoothing": 0.3})
    ]
    assert len(set(losses)) == 3


def test_bfloat16_learns_the_same_within_its_precision():
    (_, exact), (model, mixed) = (
        trained(5, dropout=0.0, **changes) for changes in ({}, {"precision": "bfloat16"})
    )
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.05)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}


def test_dropout_is_on_and_follows_the_seed():
    (_, without), (_, one), (_, same), (_, other) = (
        trained(1, dropout=0.0),
        trained(1, dropout=0.5),
        trained(1, dropout=0.5),
        trained(2, dropout=0.5),
    )
    assert one == same
    assert len({without, one, other}) == 3
