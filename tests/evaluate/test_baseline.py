import base64
import dataclasses
import json

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.evaluate.baseline import compare, read_baseline
from idxpipe.components.evaluate.metrics.outcomes import Examples

RIGHT = np.arange(100) < 80


def bits(right):
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def examples(right, images="5-00000001", labels="6-00000002"):
    return Examples(images, labels, bits(right))


def write(folder, right=RIGHT, **changes):
    body = {
        "schema_version": 2,
        "accuracy": float(np.mean(right)),
        "num_examples": len(right),
        "examples": dataclasses.asdict(examples(right)),
        **changes,
    }
    (folder / "metrics.json").write_text(json.dumps(body))
    return str(folder)


def flipped(lost, won):
    right = RIGHT.copy()
    right[:lost] = False
    right[80 : 80 + won] = True
    return right


def test_counts_what_only_one_of_them_gets_right(tmp_path):
    baseline = read_baseline(write(tmp_path))
    assert baseline == read_baseline(f"{tmp_path}/metrics.json")
    found = compare(baseline, examples(flipped(7, 2)), 100, 0.05)
    assert (found.accuracy, found.lost, found.won) == (0.8, 7, 2)
    assert found.p_value == pytest.approx((36 + 9 + 1) / 512)
    assert not found.worse


@pytest.mark.parametrize(
    ("lost", "won", "alpha", "worse"),
    [
        (5, 0, 0.05, True),  # p = 1/32
        (4, 0, 0.05, False),  # p = 1/16
        (4, 0, 0.1, True),
        (0, 20, 0.05, False),
        (0, 0, 1.0, False),
        (5, 0, 0.0, False),
    ],
)
def test_gate_is_the_exact_test(tmp_path, lost, won, alpha, worse):
    baseline = read_baseline(write(tmp_path))
    found = compare(baseline, examples(flipped(lost, won)), 100, alpha)
    assert found.worse is worse


@pytest.mark.parametrize("role", ["images", "labels"])
def test_other_examples_are_refused(tmp_path, role):
    baseline = read_baseline(write(tmp_path))
    other = examples(RIGHT, **{role: "7-00000003"})
    with pytest.raises(DataError, match=f"other examples: {role} differ") as caught:
        compare(baseline, other, 100, 0.05)
    assert "7-00000003" in caught.value.expected
    assert getattr(baseline.examples, role) in caught.value.found


def test_metrics_without_outcomes_are_refused(tmp_path):
    write(tmp_path, schema_version=1)
    with pytest.raises(DataError, match="a different version") as caught:
        read_baseline(str(tmp_path))
    assert "evaluate the model again" in caught.value.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"examples": None},
        {"examples": {}},
        {"examples": {"images": "5-1", "labels": "6-2", "right": bits(RIGHT) + "!"}},
        {"examples": {"images": "5-1", "labels": "6-2", "right": 7}},
        {"examples": {"images": 5, "labels": "6-2", "right": bits(RIGHT)}},
        {"examples": {"images": "5-1", "labels": "6-2", "right": bits(RIGHT[:50])}},
        {"accuracy": 0.81},
        {"accuracy": None},
        {"num_examples": 0},
        {"num_examples": -100},
        {"num_examples": 99},
        {"num_examples": "100"},
        {"num_examples": 2**62},
    ],
)
def test_damaged_metrics_are_refused(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(DataError, match=r"not the metrics of an evaluation|do not tell which"):
        read_baseline(str(tmp_path))


def test_what_is_no_metrics_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_baseline(str(tmp_path / "none"))
    for text in ("", "[]", "{}", "\xff", "[" * 100_000):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(DataError, match="not the metrics"):
            read_baseline(str(tmp_path))
