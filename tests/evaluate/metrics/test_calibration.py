import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from idxpipe.components.evaluate.metrics.calibration import (
    NUM_BINS,
    calibration_bins,
    expected_calibration_error,
)


def test_bins_are_scikit_learns():
    random = np.random.default_rng(3)
    # Edges, too, where it matters to which side they belong.
    confidences = np.concatenate([random.uniform(0.1, 1, 5000), np.arange(1, 16) / 15, [1.0]])
    right = random.uniform(size=len(confidences)) < confidences**2
    bins = calibration_bins(confidences, right)
    shares, means = calibration_curve(right, confidences, n_bins=NUM_BINS, strategy="uniform")
    filled = [b for b in bins if b.count]
    assert [b.accuracy for b in filled] == pytest.approx(shares)
    assert [b.confidence for b in filled] == pytest.approx(means)
    assert sum(b.count for b in bins) == len(confidences)
    assert sum(b.right for b in bins) == right.sum()


def test_error_is_the_weighted_gap():
    # Three at 0.9 of which one is right; one at 0.5 that is right.
    bins = calibration_bins(np.array([0.9, 0.9, 0.9, 0.5]), np.array([True, False, False, True]))
    expected = 3 / 4 * (0.9 - 1 / 3) + 1 / 4 * (1 - 0.5)
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert [b.confidence for b in bins if not b.count] == [None] * 13


def test_a_bin_holds_its_upper_edge():
    bins = calibration_bins(np.array([1 / 15, 1.0]), np.array([True, True]))
    assert (bins[0].count, bins[14].count) == (1, 1)


def test_a_calibrated_model_has_no_error():
    confidences = np.full(1000, 0.8)
    assert expected_calibration_error(calibration_bins(confidences, np.arange(1000) < 800)) < 1e-12
