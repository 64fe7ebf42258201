import numpy as np
import pytest
from scipy import stats

from idxpipe.components.evaluate.metrics.intervals import bootstrap_interval, wilson_interval

COUNTS = [(9794, 10000), (0, 10), (10, 10), (5, 10), (1, 1)]


@pytest.mark.parametrize(("right", "total"), [*COUNTS, (600_000, 1_000_000)])
def test_bootstrap_is_that_of_resampled_examples(right, total):
    low, high = bootstrap_interval(right, total)
    assert (low, high) == bootstrap_interval(right, total)
    # The number of right ones in a resample is binomial: the ends are its quantiles.
    ideal = stats.binom.ppf([0.025, 0.975], total, right / total)
    noise = 0.1 * np.sqrt(right * (1 - right / total)) + 1e-9
    assert np.abs(np.array([low, high]) * total - ideal).max() <= noise


def test_bootstrap_agrees_with_scipys_on_the_examples_themselves():
    correct = np.arange(1000) < 930
    theirs = stats.bootstrap(
        (correct,), np.mean, n_resamples=5000, method="percentile", batch=500, rng=1
    ).confidence_interval
    assert bootstrap_interval(930, 1000) == pytest.approx(tuple(theirs), abs=0.0015)


@pytest.mark.parametrize(("right", "total"), COUNTS)
def test_wilson_is_scipys(right, total):
    theirs = stats.binomtest(right, total).proportion_ci(0.95, "wilson")
    assert wilson_interval(right, total) == pytest.approx(tuple(theirs), abs=1e-12)
