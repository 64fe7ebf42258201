"""Many trainings, the best of which is evaluated."""

import statistics

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.runs.sweep import Trial, grid, leaderboard, varying
from tests.pipeline.runs.commands import command


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


def test_a_mistake_is_told_at_once(tmp_path, capsys):
    words = ("sweep", "--root", str(tmp_path), "--set", "a")
    assert "NAME=VALUE,VALUE" in command(capsys, *words, code=2).err
    assert "at least 1" in command(capsys, *words[:3], "--set", "a=1", "--jobs", "0", code=2).err
