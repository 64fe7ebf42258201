import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.input.order import Order


def stream(order, start, count):
    return order.examples(tf.constant(start, tf.int64), count).numpy()


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_window_of_the_whole_set_makes_every_epoch_a_permutation(size):
    order = Order(size, shuffle_buffer=1000, seed=3)
    epochs = stream(order, 0, 3 * size).reshape(3, size)
    for epoch in epochs:
        assert sorted(epoch) == list(range(size))


def test_every_window_holds_its_own_positions():
    order = Order(10, shuffle_buffer=4, seed=0)
    for window in range(10):
        found = stream(order, 4 * window, 4)
        expected = np.arange(4 * window, 4 * window + 4) % 10
        assert sorted(found) == sorted(expected)


def test_buffer_of_one_keeps_the_order():
    np.testing.assert_array_equal(stream(Order(5, 1, 0), 3, 6), [3, 4, 0, 1, 2, 3])


def test_batch_does_not_depend_on_what_came_before():
    order = Order(60_000, 50_000, seed=9)
    np.testing.assert_array_equal(stream(order, 49_900, 256)[100:228], stream(order, 50_000, 128))


def test_seed_changes_the_order():
    assert not np.array_equal(stream(Order(50, 50, 0), 0, 50), stream(Order(50, 50, 1), 0, 50))


@pytest.mark.parametrize("other_seed", [0, 1])
def test_permutations_of_neighbouring_windows_and_seeds_are_unrelated(other_seed):
    size = 50_000
    first = stream(Order(size, size, 0), 0, size)
    second = stream(Order(size, size, other_seed), size * (1 - other_seed), size)
    # Independent permutations: standard deviation 1/sqrt(size) = 0.0045.
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, np.arange(size))[0, 1]) < 0.03
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.03
