"""The estimate of a run's cost."""

import datetime
import json

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight.prices import plan, read_table
from idxpipe.pipeline.spec.machines import DEFAULT_MACHINE
from idxpipe.pipeline.spec.parse import load, parse
from idxpipe.pipeline.vertex.targets import TARGETS

GOLDEN = "tests/pipeline/golden/{}.yaml"


def golden(name):
    return load(GOLDEN.format(name))


def test_the_default_machine_by_hand():
    estimate = plan(load("pipeline.yaml"), dict.fromkeys(NAMES, 30.0))
    # Six stages of half an hour on e2-standard-4, and the fee of the run.
    assert estimate.total == pytest.approx(0.03 + 6 * 0.5 * 0.154126276)


NAMES = ("validate", "convert-train", "convert-test", "train", "evaluate", "gate")


@pytest.mark.parametrize(
    ("name", "hourly", "machine"),
    [
        ("tpu-v5e-4", 4 * 1.2 * 1.15, "ct5lp-hightpu-4t"),
        ("tpu-v3-8", 8 * 1.15, "cloud-tpu + 8 TPU_V3"),
        ("gpu-t4", 0.4369977 + 0.4025, "n1-standard-8 + 1 NVIDIA_TESLA_T4"),
    ],
)
def test_a_machine_of_its_own(name, hourly, machine):
    (line,) = [line for line in plan(golden(name), {"train": 120}).lines if line.stage == "train"]
    assert line.hourly == pytest.approx(hourly)
    assert line.cost == pytest.approx(2 * hourly)
    assert line.machine == machine


def test_every_machine_that_can_be_compiled_for_has_a_price():
    table = read_table()
    for target in TARGETS.values():
        assert (target.machine_type or DEFAULT_MACHINE) in table["machines"]
        assert not target.accelerator_type or target.accelerator_type in table["accelerators"]


def test_the_table_says_when_and_whence():
    table = read_table()
    assert datetime.date.fromisoformat(table["date"]) > datetime.date(2026, 1, 1)
    assert table["source"].startswith("https://cloud.google.com/")
    assert "+" not in table["note"] or "15 %" in table["note"]


def test_the_text_states_date_region_and_what_is_derived():
    text = str(plan(golden("tpu-v5e-4")))
    assert f"us-central1, as of {read_table()['date']}" in text
    assert " *\n" in text
    assert "* not verified: " in text
    assert "*" not in str(plan(load("pipeline.yaml")))


def test_a_price_that_is_not_known_leaves_the_total_open(tmp_path):
    with open(GOLDEN.format("tpu-v5e-4")) as file:
        text = file.read().replace("ct5lp-hightpu-4t", "z9-mega")
    estimate = plan(parse(text.encode()))
    assert estimate.total is None
    assert "unknown" in str(estimate)
    assert estimate.to_json()["stages"][3]["hourly"] is None


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
