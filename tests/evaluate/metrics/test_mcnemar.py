import pytest
from scipy import stats

from idxpipe.components.evaluate.metrics.mcnemar import mcnemar


@pytest.mark.parametrize("throws", [1, 2, 3, 10, 25, 100])
def test_every_split_of_a_few_is_scipys(throws):
    for lost in range(throws + 1):
        expected = stats.binomtest(lost, throws, alternative="greater").pvalue
        assert mcnemar(lost, throws - lost) == pytest.approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize(
    ("lost", "won"),
    [
        *[(600, 400), (520, 480), (500, 500), (501, 499), (480, 520), (0, 3000), (3000, 0)],
        *[(50_500, 49_500), (501_000, 499_000), (499_000, 501_000)],
    ],
)
def test_many_are_scipys(lost, won):
    expected = stats.binomtest(lost, lost + won, alternative="greater").pvalue
    assert mcnemar(lost, won) == pytest.approx(expected, rel=1e-8, abs=1e-300)


def test_no_difference_is_no_evidence():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 7) == 1.0
