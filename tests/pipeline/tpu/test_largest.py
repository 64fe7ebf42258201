import itertools

import pytest

from idxpipe.pipeline.tpu.compiler import Compiled, Refused
from idxpipe.pipeline.tpu.largest import find_largest

LIMIT = 16 << 30


def compiler(memory, limit=LIMIT):
    """Return what compiles a batch of `memory(batch)` bytes, and the batches it was asked for."""
    asked = []

    def attempt(batch):
        asked.append(batch)
        used = memory(batch)
        if used > limit:
            return Refused("Ran out of memory", True, used, limit)
        return Compiled(used, 1.0, 1.0)

    return attempt, asked


def search(memory, compiles, start=128, step=8):
    attempt, asked = compiler(memory)
    found = find_largest(attempt, start, attempt(start), step, LIMIT, compiles)
    assert all(batch % step == 0 for batch in asked)
    assert len(asked) == len(set(asked)) == found.compiles + 1 <= compiles + 1
    return found


@pytest.mark.parametrize(
    "memory",
    [
        lambda batch: (50 << 20) + 90_000 * batch,
        # Small batches live in the memory of the core and take nothing here.
        lambda batch: 20 << 20 if batch < 5000 else 230_000 * batch,
        lambda batch: (64 << 20) * -(-batch // 1024),
    ],
    ids=["line", "late", "stairs"],
)
def test_with_enough_compilations_it_is_exact(memory):
    found = search(memory, 60)
    assert memory(found.fits) <= LIMIT < memory(found.does_not)
    assert found.does_not == found.fits + 8


def test_on_a_straight_line_few_are_enough():
    def memory(batch):
        return (50 << 20) + 90_000 * batch

    found = search(memory, 5)
    best = next(b for b in itertools.count(190_000, 8) if memory(b + 8) > LIMIT)
    assert found.fits >= 0.95 * best


def test_it_stops_where_something_else_is_wrong():
    found = find_largest(lambda _: Refused("INTERNAL"), 128, Compiled(1, 1, 1), 8, LIMIT, 9)
    assert (found.fits, found.does_not, found.compiles) == (128, 0, 1)
