import time

import pytest
import tensorflow as tf

from idxpipe.components.train.timed_batches import TimedBatches


@pytest.mark.parametrize(("slow_input", "slow_step"), [(0.4, 0.0), (0.0, 0.4)])
def test_what_is_noted_is_the_wait_for_the_input_and_not_the_step(slow_input, slow_step):
    def sleep(value, seconds):
        time.sleep(float(seconds))
        return value

    def paused(value, seconds):
        return tf.ensure_shape(tf.numpy_function(sleep, [value, seconds], tf.int64), [])

    dataset = tf.data.Dataset.range(9).map(lambda n: (paused(n, slow_input), n))
    batches = TimedBatches(iter(dataset))

    @tf.function
    def loop(steps):
        total = tf.constant(0, tf.int64)
        for _ in tf.range(steps):
            number, _ = next(batches)
            total += paused(number, slow_step)
        return total

    assert loop(4) == 0 + 1 + 2 + 3
    # Four times as long as one sleeps, or else what threads take to begin on a loaded machine.
    waited = batches.take_seconds()
    assert waited > 1.5 if slow_input else waited < 1.5
    assert loop(4) == 4 + 5 + 6 + 7
    again = batches.take_seconds()
    assert again > 1.5 if slow_input else again < 1.5
    assert batches.take_seconds() == 0
