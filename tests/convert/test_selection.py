import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.convert.selection import Selection, count, cut, in_validation, limited

LABELS = np.random.default_rng(0).choice(4, 3000, p=[0.7, 0.2, 0.09, 0.01])


def kept(selection, labels=LABELS):
    """Return the records that are kept, in their order."""
    positions = np.arange(selection.records)
    indices = selection.indices(positions)
    return indices[selection.keeps(positions, indices, labels[indices])]


def test_without_options_everything_is_kept_in_order():
    selection = Selection(3000)
    assert selection.keeps_all and selection.reads_whole_source
    np.testing.assert_array_equal(kept(selection), np.arange(3000))


@pytest.mark.parametrize("seed", [-1, 5])
def test_validation_and_the_rest_are_the_whole(seed):
    rest = Selection(3000, seed, 0.2)
    validation = dataclasses.replace(rest, validation=True)
    assert len(kept(validation)) == pytest.approx(600, abs=90)
    both = np.concatenate([kept(rest), kept(validation)])
    np.testing.assert_array_equal(np.sort(both), np.arange(3000))


def test_validation_is_stable_when_data_grows_or_its_share_does():
    records = np.arange(100_000)
    small, large = in_validation(records[:1000], 0.1), in_validation(records, 0.1)
    np.testing.assert_array_equal(small, large[:1000])
    assert large.mean() == pytest.approx(0.1, abs=0.004)
    assert not (large & ~in_validation(records, 0.2)).any()


def test_a_limit_in_the_order_of_the_source_takes_the_first():
    np.testing.assert_array_equal(kept(limited(Selection(3000), LABELS, 7, 4)), np.arange(7))


@pytest.mark.parametrize("limit", [1, 10, 299, 3000, 5000])
def test_a_limit_in_a_shuffled_order_keeps_the_shares_of_the_classes(limit):
    selection = limited(Selection(3000, 1), LABELS, limit, 4)
    found = kept(selection)
    total = min(limit, 3000)
    assert len(found) == total == count(selection, LABELS)
    shares = np.bincount(LABELS) * total / 3000
    assert (np.abs(np.bincount(LABELS[found], minlength=4) - shares) < 1).all()
    # They are those that the whole shuffled order shows first.
    whole = kept(Selection(3000, 1))
    np.testing.assert_array_equal(found, whole[np.isin(whole, found)])


@given(
    st.sampled_from([-1, 3]),
    st.sampled_from([0.0, 0.3]),
    st.integers(1, 9),
    st.sampled_from([0, 40]),
)
def test_cuts_give_each_group_what_it_should_have(seed, fraction, groups, limit):
    labels = LABELS[:200]
    selection = Selection(200, seed)
    if limit:
        selection = limited(selection, labels, limit, 4)
    selection = dataclasses.replace(selection, validation_fraction=fraction)
    total = count(selection, labels)
    sizes = [total * (k + 1) // groups - total * k // groups for k in range(groups)]
    cuts = cut(selection, labels, sizes)
    assert cuts[0] == 0 and cuts[-1] == selection.stop
    for size, start, stop in zip(sizes, cuts, cuts[1:], strict=False):
        positions = np.arange(start, stop)
        indices = selection.indices(positions)
        assert selection.keeps(positions, indices, labels[indices]).sum() == size
