"""Many trainings, the best of which is evaluated."""

import statistics

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline import state
from idxpipe.pipeline.runs.listing import rows
from idxpipe.pipeline.runs.sweep import Trial, grid, leaderboard, varying
from tests.idxfiles import write_data_set
from tests.pipeline.runs.commands import as_json, command


def test_every_combination_once():
    assert grid(["a=1,2,2", "seed=0..2", "b=x"]) == [
        {"a": a, "seed": seed, "b": "x"} for a in "12" for seed in "012"
    ]
    assert varying(grid(["a=1,2", "b=x"])) == ["a"]
    assert grid(["seed=-1..1"]) == [{"seed": "-1"}, {"seed": "0"}, {"seed": "1"}]


@pytest.mark.parametrize("text", ["a", "a=", "=1", "a=1,,2", "seed=3..1", "seed=0..99999"])
def test_what_is_no_grid(text):
    with pytest.raises(UsageError):
        grid([text])


def test_the_leaderboard_is_by_the_mean_over_seeds():
    trials = [
        Trial({"lr": "1", "seed": "0"}, "a", 0.9),
        Trial({"lr": "1", "seed": "1"}, "b", 0.5),
        Trial({"lr": "2", "seed": "0"}, "c", 0.8),
        Trial({"lr": "2", "seed": "1"}, "d", 0.8),
        Trial({"lr": "3", "seed": "0"}, error=UsageError("no")),
    ]
    first, second, third = leaderboard(trials)
    assert (first.values, first.mean, first.spread) == ({"lr": "2"}, 0.8, 0.0)
    assert second.spread == pytest.approx(statistics.stdev([0.9, 0.5]))
    assert second.trials[0].run_id == "a"
    assert (third.mean, third.failed) == (None, 1)


@pytest.mark.slow
def test_a_sweep_shares_the_conversion_and_looks_at_the_test_set_once(tmp_path, capsys):
    write_data_set(tmp_path / "data")
    root = tmp_path / "root"
    fixed = (
        "train_steps=4",
        "batch_size=8",
        "iterations=4",
        "model=tiny",
        "validation_fraction=0.3",
    )
    sets = [word for text in (*fixed, "learning_rate=0.01,0.3") for word in ("--set", text)]
    given = ("sweep", "--root", str(root), "--data", str(tmp_path / "data"), *sets)
    found = as_json(capsys, *given)
    assert len(found["leaderboard"]) == 2
    best = found["leaderboard"][0]
    assert found["best"]["parameters"]["learning_rate"] == float(
        best["parameters"]["learning_rate"]
    )
    first, second, last = (row.record for row in reversed(rows(str(root))))
    assert {
        str(second.tasks[n].status) for n in ("convert-train", "convert-test") if n in second.tasks
    } == {"cached"}
    assert "evaluate" not in {**first.tasks, **second.tasks}
    assert last.tasks["train"].status == "cached"
    assert last.tasks["evaluate"].status == "succeeded"
    # Again: nothing is trained.
    again = as_json(capsys, *given)
    statuses = {
        str(state.load(str(root), trial["run"]).tasks["train"].status) for trial in again["trials"]
    }
    assert statuses == {"cached"}


def test_a_mistake_is_told_at_once(tmp_path, capsys):
    words = ("sweep", "--root", str(tmp_path), "--set", "a")
    assert "NAME=VALUE,VALUE" in command(capsys, *words, code=2).err
    assert "at least 1" in command(capsys, *words[:3], "--set", "a=1", "--jobs", "0", code=2).err
