import warnings

import numpy as np
import pytest

from components.evaluate.metrics import (
    class_figures,
    confusion_matrix,
    cross_entropy,
    softmax,
    wilson_interval,
)


def test_confusion_counts_labels_by_predictions():
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_figures_of_each_class():
    # Class 2 is never predicted, class 3 neither predicted nor there.
    matrix = np.array([[4, 1, 0, 0], [1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zero, one, two, three = class_figures(matrix)
    assert (zero.precision, zero.recall, zero.support) == (4 / 6, 4 / 5, 5)
    assert zero.f1 == pytest.approx(2 * (4 / 6) * (4 / 5) / (4 / 6 + 4 / 5))
    assert (one.precision, one.recall, one.f1) == (2 / 4, 2 / 3, pytest.approx(4 / 7))
    assert (two.precision, two.recall, two.f1, two.support) == (0, 0, 0, 2)
    assert (three.precision, three.recall, three.f1, three.support) == (0, 0, 0, 0)


def test_loss_is_cross_entropy_and_does_not_overflow():
    logits = np.array([[0, np.log(3)], [2000, 0], [0, 2000]], np.float32)
    found = cross_entropy(logits, np.array([1, 0, 0]))
    assert found == pytest.approx([np.log(4 / 3), 0, 2000], rel=1e-6)
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [1, 0], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize(("right", "total"), [(9794, 10000), (0, 10), (10, 10), (5, 10), (1, 1)])
def test_interval_is_wilsons(right, total):
    # Its ends are the shares p that are just 1.96 standard errors, as of p, from what was found.
    for p in wilson_interval(right, total):
        squared = (right / total - p) ** 2
        assert squared == pytest.approx(1.959964**2 * p * (1 - p) / total, rel=1e-5, abs=1e-15)
    low, high = wilson_interval(right, total)
    assert 0 <= low <= right / total <= high <= 1
