import numpy as np
import pytest

from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from idxpipe.components.core.errors import DataError
from idxpipe.components.train.input.batches import make_batches
from idxpipe.components.train.input.examples import load_examples
from idxpipe.components.train.input.order import Order
from idxpipe.components.train.input.streaming import streamed_batches
from tests.datasets import spots, write_dataset
from tests.train.conftest import Run
from tests.train.input.test_batches import Hosts

# Two windows of 20 examples, 64 bytes of pixels and 8 of a label each; the set has 50.
FEW_BYTES = 2 * 20 * 72
SMALL = {"shuffle_buffer": 20, "memory_bytes": FEW_BYTES}


def everything(iterator):
    parts = [(images.numpy(), labels.numpy()) for images, labels in iterator]
    return tuple(np.stack(part) for part in zip(*parts, strict=True))


@pytest.mark.parametrize(("replicas", "hosts"), [(1, 1), (4, 2), (8, 4)])
@pytest.mark.parametrize("window", [1, 7, 30, 50])
@pytest.mark.parametrize(("first", "end"), [(0, 7), (5, 9)])
def test_batches_are_those_of_a_split_in_memory(records, replicas, hosts, window, first, end):
    dataset = read_dataset(records)
    uris = shard_uris(records, dataset)
    order = Order(50, window, seed=3)
    examples = load_examples(uris, dataset)
    for host in range(hosts):
        strategy = Hosts(replicas, hosts, host)
        whole = make_batches(strategy, *examples, (8, 8), order, 24)
        with streamed_batches(strategy, uris, dataset, order, 24) as streamed:
            found, expected = (everything(batches(first, end)) for batches in (streamed, whole))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_streamed_training_ends_with_the_weights_of_one_in_memory(new_run, tmp_path, capsys):
    in_memory = Run(new_run.records, str(tmp_path / "other"))
    in_memory.train(shuffle_buffer=20)
    assert "streamed" not in capsys.readouterr().err
    new_run.train(train_steps=7, **SMALL)
    # Elsewhere there may be more memory, and less again.
    new_run.train(train_steps=12, shuffle_buffer=20)
    assert new_run.train(**SMALL).resumed_from == 12
    assert "examples are streamed, in windows of 20" in capsys.readouterr().err
    assert new_run.weights() == in_memory.weights()


def test_damage_in_a_later_shard_is_named_and_training_kept(tmp_path):
    run = Run(write_dataset(tmp_path / "d", *spots(50), 4, num_shards=5), str(tmp_path / "run"))
    shard = tmp_path / "d" / "4.tfrecord"
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"4\.tfrecord: byte 0: record is damaged"):
        run.train(iterations=1, checkpoint_steps=1, **SMALL)
