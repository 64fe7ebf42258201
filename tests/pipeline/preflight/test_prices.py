"""The estimate of a run's cost."""

import datetime
import json

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.cli.tools.plan import text
from idxpipe.pipeline.preflight.prices import plan, read_table
from idxpipe.pipeline.spec.parse import load, parse

GOLDEN = "tests/pipeline/golden/{}.yaml"


def golden(name):
    return load(GOLDEN.format(name))


def test_the_default_machine_by_hand():
    estimate = plan(load("pipeline.yaml"), dict.fromkeys(NAMES, 30.0))
    # Six stages of half an hour on e2-standard-4, and the fee of the run.
    assert estimate.total == pytest.approx(0.03 + 6 * 0.5 * 0.154126276)


NAMES = ("validate", "convert-train", "convert-test", "train", "evaluate", "gate")


def test_a_machine_with_an_accelerator():
    with open(GOLDEN.format("gpu-t4")) as file:
        text = file.read().replace("n1-standard-8", "n1-standard-4")
    (line,) = [
        line for line in plan(parse(text.encode()), {"train": 120}).lines if line.stage == "train"
    ]
    assert line.machine == "n1-standard-4 + 1 NVIDIA_TESLA_T4"
    assert line.hourly == pytest.approx(0.21849885 + 0.4025)
    assert line.cost == pytest.approx(2 * line.hourly)


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("tpu-v5e-4", "ct5lp-hightpu-4t"),
        ("tpu-v3-8", "cloud-tpu + 8 TPU_V3"),
        ("gpu-t4", "n1-standard-8 + 1 NVIDIA_TESLA_T4"),
    ],
)
def test_what_has_no_verified_price_is_told_in_hours(name, machine):
    estimate = plan(golden(name), {"train": 90})
    assert estimate.total is None
    assert estimate.unpriced == {machine: 1.5}
    assert f"and 1.50 h of {machine}: see https://cloud.google.com/products/calculator" in text(
        estimate
    )
    assert "known part" in text(estimate)
    assert estimate.to_json()["stages"][3]["hourly"] is None


def test_the_table_says_when_and_whence():
    table = read_table()
    assert datetime.date.fromisoformat(table["date"]) > datetime.date(2026, 1, 1)
    assert table["source"].startswith("https://cloud.google.com/")
    assert f"us-central1, {table['date']}" in text(plan(golden("tpu-v5e-4")))


@pytest.mark.parametrize("minutes", [{"learn": 3.0}, {"train": -1.0}, {"train": float("nan")}])
def test_a_duration_that_cannot_be_meant(minutes):
    with pytest.raises(UsageError, match="not the duration of a stage"):
        plan(golden("gpu-t4"), minutes)


def test_the_command(capsys):
    assert main(["plan", "--pipeline", GOLDEN.format("gpu-t4"), "--minutes", "train=60"]) == 0
    assert capsys.readouterr().out.startswith("stage ")
    assert main(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["currency"] == "USD"
    assert main(["plan", "--minutes", "train=long"]) == 2
    assert "STAGE=MINUTES" in capsys.readouterr().err
