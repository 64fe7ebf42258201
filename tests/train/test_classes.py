import dataclasses
import math

import pytest

from idxpipe.components.core.dataset.manifest import Dataset, Shard
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.train.classes import check_converged, check_mixed, class_weights

DATASET = Dataset(
    split="train",
    image_shape=(2, 2),
    image_dtype="uint8",
    num_classes=2,
    class_counts=(50, 50),
    shards=(Shard("a", 100, 1000, 1),),
    sources={},
    converter="test",
)
TEN = [100] * 10


def points(*losses, every=50):
    return [{"step": every * (n + 1), "loss": loss} for n, loss in enumerate(losses)]


def test_balanced_classes_count_the_same_and_one_in_the_mean():
    weights = class_weights("balanced", [10, 30, 0])
    assert [w * n for w, n in zip(weights, [10, 30, 0], strict=True)] == [20, 20, 0]
    assert class_weights("none", [10, 30]) == ()


def test_sorted_examples_need_a_window_of_all():
    ordered = dataclasses.replace(DATASET, sorted_by_class=True)
    check_mixed("r", ordered, 100)
    check_mixed("r", DATASET, 1)
    with pytest.raises(UsageError, match="sorted by class") as caught:
        check_mixed("r", ordered, 99)
    assert "shuffle_seed" in caught.value.remedy


@pytest.mark.parametrize("losses", [(2.3, 40, 1e26, 1e26, 1e25), (9.0, 9.5, 9.8, 12.0)])
def test_a_finite_and_absurd_loss_has_diverged(losses):
    with pytest.raises(DataError, match="training diverged") as caught:
        check_converged(points(*losses), TEN, "ckpt-5")
    assert "nothing was exported" in caught.value.remedy


@pytest.mark.parametrize(
    "losses",
    [
        (),
        (2.3, 1.0, 0.4, 0.1),
        # Bad, but on its way down; too short to tell; a spike at the end.
        (900.0, 300.0, 100.0, 50.0),
        (50.0, 60.0),
        (2.3, 0.5, 0.4, 30.0),
    ],
)
def test_others_have_not(losses, capsys):
    check_converged(points(*losses), TEN, None)
    assert capsys.readouterr().err == ""


def test_a_loss_that_is_a_guess_is_said(capsys):
    check_converged(points(2.5, 2.31, 2.30, math.log(10), every=500), TEN, None)
    assert "nothing was learned" in capsys.readouterr().err
    check_converged(points(2.5, 2.31, 2.30, math.log(10), every=5), TEN, None)
    assert capsys.readouterr().err == ""
