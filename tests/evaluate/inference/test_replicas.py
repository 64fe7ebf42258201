import dataclasses
import threading

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.evaluate.inference.replicas import with_logits


@dataclasses.dataclass(frozen=True)
class Numbered:
    images: np.ndarray
    real: int


def batches(count):
    return [Numbered(np.full((4, 2), number), 4 - number % 2) for number in range(count)]


def replica(seen):
    def logits_of(images, real):
        seen.append(int(images[0, 0]))
        return images[:real] * 10.0

    return logits_of


@pytest.mark.parametrize("replicas", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_batch_comes_once_and_in_order(count, replicas):
    seen = [[] for _ in range(replicas)]
    given = batches(count)
    found = list(with_logits(iter(given), [replica(mine) for mine in seen]))
    assert [batch for batch, _ in found] == given
    for batch, logits in found:
        np.testing.assert_array_equal(logits, batch.images[: batch.real] * 10)
    assert [sorted(mine) for mine in seen] == [
        list(range(number, count, replicas)) for number in range(replicas)
    ]


def test_replicas_compute_at_the_same_time():
    both = threading.Barrier(2, timeout=120)

    def logits_of(images, real):
        both.wait()
        return images[:real]

    assert len(list(with_logits(batches(4), [logits_of] * 2))) == 4


def test_few_batches_are_held():
    """Of a split larger than memory, one a replica and the one that is being read."""
    read = []

    def reading():
        for batch in batches(20):
            read.append(batch)
            yield batch

    for done, _ in enumerate(with_logits(reading(), [replica([])] * 3), 1):
        assert len(read) - done <= 3


def test_an_error_of_a_replica_comes_through():
    def logits_of(images, real):
        if images[0, 0] == 2:
            raise DataError("broken", where="here", remedy="fix it")
        return images[:real]

    found = []
    with pytest.raises(DataError, match="broken"):
        for batch, _ in with_logits(batches(5), [logits_of] * 2):
            found.append(batch)
    assert len(found) == 2
