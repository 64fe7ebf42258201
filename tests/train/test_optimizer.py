import keras
import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.optimizer import build_optimizer, build_schedule


def rates(steps, **changes):
    schedule = build_schedule(TrainConfig(**changes).resolved())
    return np.array([float(schedule(step)) for step in steps])


def test_learning_rate_of_2018_decays_continuously():
    steps = np.array([0, 1, 500, 100_000, 250_000])
    np.testing.assert_allclose(rates(steps), 0.05 * 0.96 ** (steps / 100_000), rtol=1e-5)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
@pytest.mark.parametrize(("steps", "warmup"), [(20, 0.3), (20, 0.0), (1, 0.5), (2, 0.99)])
def test_a_cycle_goes_up_then_down_to_nothing(schedule, steps, warmup):
    found = rates(
        range(steps + 1), schedule=schedule, learning_rate=0.4, train_steps=steps, warmup=warmup
    )
    assert found[-1] == 0
    assert (found[:-1] > 0).all()
    assert found.max() == pytest.approx(0.4)
    top = found.argmax()
    assert top == max(0, round(steps * warmup) - 1)
    assert (np.diff(found[: top + 1]) > 0).all()
    assert (np.diff(found[top:]) < 0).all()


def test_one_cycle_is_straight_and_cosine_is_half_a_cosine():
    changes = {"learning_rate": 1.0, "train_steps": 10, "warmup": 0.0}
    straight = rates(range(11), schedule="one-cycle", **changes)
    np.testing.assert_allclose(straight, np.linspace(1, 0, 11), atol=1e-6)
    curve = rates(range(11), schedule="cosine", **changes)
    np.testing.assert_allclose(curve, (1 + np.cos(np.pi * np.arange(11) / 10)) / 2, atol=1e-6)


def one_step(**changes):
    """What a step with gradient 1 makes of a kernel and a bias that are 2."""
    kernel, bias = (keras.Variable(np.full(shape, 2.0, np.float32)) for shape in ((1, 1), (1,)))
    config = TrainConfig(learning_rate=0.1, decay_rate=1.0, **changes).resolved()
    optimizer = build_optimizer(config, [kernel, bias])
    for _ in range(2):
        optimizer.apply([tf.ones((1, 1)), tf.ones((1,))], [kernel, bias])
    return kernel.numpy().item(), bias.numpy().item()


def test_sgd_is_plain_without_momentum_and_nesterov_with_it():
    assert one_step() == pytest.approx((1.8, 1.8))
    # Velocities -0.1 and -0.19; each step looks ahead by 0.9 of its own.
    nesterov = 2 - (0.1 + 0.9 * 0.1) - (0.1 + 0.9 * 0.19)
    assert one_step(momentum=0.9) == pytest.approx((nesterov, nesterov))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_only_kernels_decay(optimizer):
    kernel, bias = one_step(optimizer=optimizer, weight_decay=0.5)
    plain = one_step(optimizer=optimizer, weight_decay=0.0)
    assert bias == pytest.approx(plain[1])
    assert kernel < plain[0] - 0.1
