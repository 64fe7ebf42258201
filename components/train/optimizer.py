"""The optimizer and the course of its learning rate."""

import math
from typing import Any

import keras
import tensorflow as tf

from idxpipe.components.train.config import TrainConfig


def build_optimizer(
    config: TrainConfig, weights: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Return the optimizer, built for `weights`; it sums gradients over the replicas.

    Only weights of two or more dimensions decay, so neither biases nor what normalises.

    Args:
        config: A resolved recipe.
        weights: What is trained.
    """
    schedule = build_schedule(config)
    if config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    else:
        optimizer = keras.optimizers.SGD(
            schedule,
            momentum=config.momentum,
            nesterov=config.momentum > 0,
            # None, unlike 0, adds nothing to the step.
            weight_decay=config.weight_decay or None,
        )
    if config.weight_decay:
        optimizer.exclude_from_weight_decay([w for w in weights if len(w.shape) < 2])
    optimizer.build(weights)
    return optimizer


def build_schedule(config: TrainConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate as a function of the step.

    exponential: learning_rate * decay_rate^(step / decay_steps), as in 2018.
    """
    if config.schedule == "exponential":
        return keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, config.decay_steps, config.decay_rate
        )
    return Cycle(config.learning_rate, config.train_steps, config.warmup, config.schedule)


class Cycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Up to `peak` along a straight line, then down to 0 at step `steps`.

    Args:
        peak: The highest learning rate, that of the last step of the warmup.
        steps: Length of the training.
        warmup: Share of it in which the rate rises.
        kind: `one-cycle` goes down along a straight line, `cosine` along half a cosine.

    Source: Smith and Topin, Super-Convergence (arXiv:1708.07120); Loshchilov and Hutter, SGDR
    (arXiv:1608.03983).
    """

    def __init__(self, peak: float, steps: int, warmup: float, kind: str) -> None:
        self._peak, self._steps, self._warmup, self._kind = peak, steps, warmup, kind

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of `step`, a scalar; above 0 for each step of the training."""
        step = tf.cast(step, tf.float32)
        rising = max(1, round(self._steps * self._warmup))
        left = (self._steps - step) / (self._steps - rising + 1)
        if self._kind == "cosine":
            left = 0.5 - 0.5 * tf.cos(math.pi * tf.clip_by_value(left, 0.0, 1.0))
        return self._peak * tf.clip_by_value(tf.minimum((step + 1) / rising, left), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments to make another one."""
        return {
            "peak": self._peak,
            "steps": self._steps,
            "warmup": self._warmup,
            "kind": self._kind,
        }
