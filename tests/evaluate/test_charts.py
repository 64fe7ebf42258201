import re

import pytest

from idxpipe.components.evaluate.charts import confidence_histogram, reliability_diagram


def make(count, right, low=0.5, high=1.0):
    accuracy, confidence = (right / count, 0.75) if count else (None, None)
    return {
        "low": low,
        "high": high,
        "count": count,
        "right": right,
        "accuracy": accuracy,
        "confidence": confidence,
    }


def heights(chart, kind):
    return [float(h) for h in re.findall(rf'height="([\d.]+)" class="{kind}"', chart)]


def test_a_bar_is_as_high_as_the_accuracy():
    chart = reliability_diagram([make(0, 0, 0.0, 0.5), make(4, 1), make(4, 4)])
    quarter, whole = heights(chart, "right")
    assert quarter / whole == pytest.approx(1 / 4, abs=0.01)
    assert "1 of 4 right, 25.0 % at 75.0 % mean confidence" in chart


@pytest.mark.parametrize("most", [1, 9, 10, 99, 100, 10_000, 12_345_678])
def test_histogram_shows_one_beside_millions_and_fits(most):
    chart = confidence_histogram([make(most, most), make(1, 0), make(0, 0)])
    (right,), (wrong,) = heights(chart, "right"), heights(chart, "wrong")
    assert 10 < wrong <= right <= 202.1
    assert len(re.findall("<rect", chart)) == 2
