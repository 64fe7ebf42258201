import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.order import Order
from tests.datasets import spots


class Hosts:
    """What `make_batches` asks of a strategy, as one of several hosts sees it."""

    def __init__(self, replicas, hosts, host):
        self.num_replicas_in_sync = replicas
        self._context = tf.distribute.InputContext(hosts, host, replicas)

    def distribute_datasets_from_function(self, on_host):
        return on_host(self._context)


def steps_of(replicas, hosts, host, first, end):
    """One host's labels, and a pixel of each image: [steps, examples of the host]."""
    images, _ = spots(50)
    # Every example is known by its label, and its image by its first pixel.
    images[:, 0, 0] = np.arange(50)
    strategy = Hosts(replicas, hosts, host)
    order = Order(50, 30, seed=0)
    batches = make_batches(strategy, images.reshape(50, -1), np.arange(50), (8, 8), order, 24)
    shares = [(i.numpy(), n.numpy()) for i, n in batches(first, end)]
    for pixels, labels in shares:
        assert pixels.shape == (24 // replicas, 8, 8)
        np.testing.assert_array_equal(pixels[:, 0, 0], labels)
    here = replicas // hosts
    return [np.concatenate([n for _, n in step]) for step in batched(shares, here)]


def batched(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


@pytest.mark.parametrize(("replicas", "hosts"), [(1, 1), (8, 1), (2, 2), (8, 2), (8, 4)])
def test_hosts_shares_make_up_the_global_batch_in_order(replicas, hosts):
    shares = [steps_of(replicas, hosts, host, 3, 9) for host in range(hosts)]
    for step, parts in zip(range(3, 9), zip(*shares, strict=True), strict=True):
        whole = Order(50, 30, seed=0).examples(tf.constant(24 * step, tf.int64), 24).numpy()
        np.testing.assert_array_equal(np.concatenate(parts), whole)
