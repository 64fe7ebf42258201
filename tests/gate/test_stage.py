"""The judgement on metrics, written here by hand; tests/evaluate has those of an evaluation."""

import json

import pytest

from idxpipe.components.core.errors import DataError, GateError
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.gate.stage import gate

COMPARISON = {"accuracy": 0.8, "lost": 5, "won": 0, "p_value": 0.03125, "alpha": 0.05}


@pytest.fixture
def metrics(tmp_path):
    path = tmp_path / "metrics.json"

    def write(**changes):
        body = {"schema_version": 2, "accuracy": 0.75, "baseline": None, **changes}
        path.write_text(json.dumps(body))
        return str(path)

    return write


@pytest.mark.parametrize("least", [0.0, 0.75])
def test_an_accuracy_at_the_bound_passes(metrics, least, capsys):
    gate(metrics(), GateConfig(min_accuracy=least))
    assert "accuracy 0.7500 passes" in capsys.readouterr().err


def test_one_below_it_does_not(metrics):
    with pytest.raises(GateError, match="not accurate enough") as caught:
        gate(metrics(), GateConfig(min_accuracy=0.7501))
    assert caught.value.exit_code == 4
    assert "0.7501" in caught.value.expected
    assert caught.value.found == "0.750000"


def test_one_significantly_worse_than_the_baseline_does_not(metrics):
    with pytest.raises(GateError, match="worse than the baseline") as caught:
        gate(metrics(baseline=COMPARISON), GateConfig())
    assert "0.800000" in caught.value.expected
    assert "5 examples lost, 0 won, p = 0.031 < 0.05" in caught.value.found
    gate(metrics(baseline={**COMPARISON, "p_value": 0.05}), GateConfig())


@pytest.mark.parametrize(
    "baseline", [{}, [], "x", {**COMPARISON, "p_value": None}, {**COMPARISON, "alpha": "x"}]
)
def test_a_damaged_comparison_is_refused(metrics, baseline):
    with pytest.raises(DataError, match="how the model compares"):
        gate(metrics(baseline=baseline), GateConfig())


def test_no_metrics_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        gate(str(tmp_path / "none"), GateConfig())
