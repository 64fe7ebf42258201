import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.validate.duplicates import Repeats, across, within

KEYS = st.lists(st.integers(0, 6), min_size=1, max_size=30)


def as_keys(numbers):
    return np.array(numbers, np.uint64) << np.uint64(60)


@given(KEYS)
def test_repeats_are_all_but_the_first_of_each(numbers):
    seen, repeats = {}, []
    for place, number in enumerate(numbers):
        if number in seen:
            repeats.append(place)
        seen.setdefault(number, place)
    found, conflicts = within(as_keys(numbers))
    assert conflicts is None
    assert (found.count if found else 0) == len(repeats)
    if found:
        assert found.number == repeats[0]
        assert numbers[found.original] == numbers[found.number]
        assert found.original < found.number


@given(KEYS, KEYS)
def test_what_is_in_both_splits(mine, others):
    both = [place for place, number in enumerate(mine) if number in others]
    found = across(as_keys(mine), as_keys(others))
    expected = both and Repeats(len(both), both[0], others.index(mine[both[0]]))
    assert found == (expected or None)


def test_conflicts_are_repeats_with_another_label():
    keys, labels = as_keys([1, 2, 1, 2, 1]), np.array([7, 8, 7, 9, 7], np.int16)
    found, conflicts = within(keys, labels)
    assert found == Repeats(3, 2, 0)
    assert conflicts == Repeats(1, 3, 1)
    assert within(keys, labels[:3])[1] is None
