import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxpipe.components.convert.permutation import mix, source_indices


@given(st.integers(1, 5000), st.integers(0, 2**31 - 1))
@settings(max_examples=200, deadline=None)
def test_every_record_stands_at_one_position(records, seed):
    found = source_indices(np.arange(records), records, seed)
    np.testing.assert_array_equal(np.sort(found), np.arange(records))


def test_a_position_can_be_asked_alone():
    positions = np.arange(60_000)
    whole = source_indices(positions, 60_000, 7)
    np.testing.assert_array_equal(source_indices(positions[1234:1300], 60_000, 7), whole[1234:1300])


def test_the_order_is_fixed_for_ever():
    assert source_indices(np.arange(8), 8, 0).tolist() == [0, 6, 3, 7, 1, 5, 2, 4]


def test_seeds_give_unrelated_orders_and_neighbours_part():
    n = 20_000
    orders = [source_indices(np.arange(n), n, seed) for seed in range(4)]
    for i, first in enumerate(orders):
        assert abs(np.corrcoef(np.arange(n), first)[0, 1]) < 0.03
        assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.03
        for second in orders[:i]:
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


@pytest.mark.parametrize("records", [3, 10, 60_000])
def test_where_a_record_goes_is_uniform(records):
    chi2 = pytest.importorskip("scipy.stats").chi2
    cells = min(records, 10)
    seeds = 4000
    first = [int(source_indices(np.array([0]), records, seed)[0]) for seed in range(seeds)]
    counts = np.bincount(np.array(first) * cells // records, minlength=cells)
    statistic = ((counts - seeds / cells) ** 2 / (seeds / cells)).sum()
    assert statistic < chi2.isf(1e-4, cells - 1)


def test_billions_of_records_need_no_table():
    found = source_indices(np.array([0, 10**12 - 1]), 10**12, 1)
    assert (found >= 0).all() and (found < 10**12).all()


def test_mix_is_splitmix64():
    # Source: the first outputs of the reference implementation, state 0.
    # https://prng.di.unimi.it/splitmix64.c
    assert mix(np.zeros(1, np.uint64))[0] == 0xE220A8397B1DCDAF
