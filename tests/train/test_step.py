import numpy as np
import pytest
import tensorflow as tf

from components.train.batches import make_batches
from components.train.config import TrainConfig
from components.train.model import build_model, build_optimizer
from components.train.order import Order
from components.train.step import _dropout_seeds, make_loop, make_step
from tests.datasets import spots


def test_dropout_seeds_depend_on_step_and_seed_alone():
    variables = build_model((8, 8), 4, 0.4, seed=0).non_trainable_variables
    assert len(variables) == 1

    def seeds(seed, step):
        return _dropout_seeds(seed, tf.constant(step), variables)[0].numpy().tolist()

    assert seeds(0, 5) == seeds(0, 5)
    assert len({tuple(seeds(seed, step)) for seed in (0, 1) for step in (0, 1)}) == 4


def trained(steps, dropout, seed=0):
    """Weights and loss after some steps, written with nothing but the formula of SGD."""
    images, labels = spots(16)
    config = TrainConfig(batch_size=8, learning_rate=0.1, decay_steps=1, decay_rate=0.5)
    model = build_model((8, 8), 4, dropout, seed=0)
    optimizer = build_optimizer(config)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    batches = make_batches(strategy, images.reshape(16, -1), labels, (8, 8), Order(16, 1, 0), 8)
    loop = make_loop(strategy, make_step(model, optimizer, 8, seed))
    loss = float(loop(batches(0, steps), tf.constant(steps)))
    return [w.numpy() for w in model.trainable_variables], loss


def test_steps_are_sgd_with_a_decaying_rate_on_the_mean_loss():
    images, labels = spots(16)
    model = build_model((8, 8), 4, 0.0, seed=0)
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
    found, mean = trained(3, dropout=0.0)
    assert mean == pytest.approx(np.mean(losses), rel=1e-5)
    for weight, expected in zip(found, model.trainable_variables, strict=True):
        np.testing.assert_allclose(weight, expected.numpy(), atol=1e-6)


def test_dropout_is_on_and_follows_the_seed():
    (_, without), (_, one), (_, same), (_, other) = (
        trained(1, 0.0),
        trained(1, 0.5, seed=1),
        trained(1, 0.5, seed=1),
        trained(1, 0.5, seed=2),
    )
    assert one == same
    assert len({without, one, other}) == 3
