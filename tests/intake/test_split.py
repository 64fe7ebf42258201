import numpy as np
import pytest

from idxpipe.components.intake.split import hold_out

NAMES = [f"{number}.png" for number in range(1000)]


def test_each_class_gives_its_share():
    labels = np.repeat([0, 1, 2], [700, 250, 50])
    held = hold_out(labels, NAMES, 0.1, seed=0)
    assert np.bincount(labels[held]).tolist() == [70, 25, 5]


def test_sklearn_holds_out_as_many():
    selection = pytest.importorskip("sklearn.model_selection")
    labels = np.random.default_rng(0).integers(0, 7, 1000)
    held = hold_out(labels, NAMES, 0.13, seed=0)
    _, theirs = selection.train_test_split(labels, test_size=0.13, stratify=labels)
    ours = np.bincount(labels[held], minlength=7)
    assert np.abs(ours - np.bincount(theirs, minlength=7)).max() <= 1
    assert held.sum() == len(theirs)


def test_the_seed_and_the_names_decide_not_the_order():
    labels = np.arange(1000) % 10
    held = hold_out(labels, NAMES, 0.2, seed=3)
    assert np.array_equal(held, hold_out(labels, NAMES, 0.2, seed=3))
    assert not np.array_equal(held, hold_out(labels, NAMES, 0.2, seed=4))
    back = hold_out(labels[::-1], NAMES[::-1], 0.2, seed=3)
    assert np.array_equal(held, back[::-1])


def test_a_class_keeps_one_example_to_train_on():
    labels = np.array([0, 1, 1])
    held = hold_out(labels, NAMES[:3], 0.9, seed=0)
    assert set(labels[~held]) == {0, 1}
