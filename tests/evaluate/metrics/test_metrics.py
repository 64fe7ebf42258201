import warnings

import numpy as np
import pytest
from sklearn import metrics as theirs

from idxpipe.components.evaluate.metrics.metrics import (
    class_figures,
    confusion_matrix,
    cross_entropy,
    macro_average,
    ranks,
    softmax,
)


def split(classes, absent=(), examples=2000, steps=8):
    """Logits on a coarse grid, so that many are equal, and labels."""
    random = np.random.default_rng(classes)
    logits = random.integers(0, steps, (examples, classes)).astype(np.float32)
    labels = random.choice(np.setdiff1d(np.arange(classes), absent), examples)
    logits[np.arange(examples), labels] += random.integers(0, steps, examples)
    logits[:, list(absent[1:])] = -1
    return logits, labels


# Two classes; some that are predicted but not there; some that are neither; many.
SPLITS = [split(2), split(10), split(10, absent=(3, 4)), split(62, absent=(1, 60)), split(1)]


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize(("logits", "labels"), SPLITS)
def test_figures_are_scikit_learns(logits, labels):
    classes = logits.argmax(axis=1)
    every = np.arange(logits.shape[1])
    confusion = confusion_matrix(labels, classes, len(every))
    np.testing.assert_array_equal(confusion, theirs.confusion_matrix(labels, classes, labels=every))
    found = class_figures(confusion)
    expected = theirs.precision_recall_fscore_support(
        labels, classes, labels=every, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        assert [getattr(c, name) for c in found] == pytest.approx(values), name
    macro = theirs.precision_recall_fscore_support(
        labels, classes, average="macro", zero_division=0
    )[:3]
    ours = macro_average(found, confusion)
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx(macro)


@pytest.mark.parametrize(("logits", "labels"), SPLITS[:-1])
def test_loss_is_scikit_learns(logits, labels):
    every = np.arange(logits.shape[1])
    expected = theirs.log_loss(labels, softmax(logits), labels=every)
    assert cross_entropy(logits, labels).mean() == pytest.approx(expected)


@pytest.mark.parametrize(("logits", "labels"), SPLITS[1:-1])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k_is_scikit_learns(logits, labels, k):
    classes = logits.shape[1]
    found = (ranks(logits, labels) < k).mean()
    # Of equal logits it takes the larger class first: the order of the classes is turned round.
    expected = theirs.top_k_accuracy_score(
        classes - 1 - labels, logits[:, ::-1], k=k, labels=np.arange(classes)
    )
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("logits", "labels"), SPLITS)
def test_rank_0_is_argmax(logits, labels):
    before = ranks(logits, labels)
    np.testing.assert_array_equal(before == 0, logits.argmax(axis=1) == labels)
    assert before.max() < logits.shape[1]


def test_confusion_counts_labels_by_predictions():
    matrix = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_a_share_of_nothing_is_0_without_a_warning():
    # Class 2 is never predicted, class 3 neither predicted nor there.
    matrix = np.array([[4, 1, 0, 0], [1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zero, _, two, three = class_figures(matrix)
    assert (zero.precision, zero.recall, zero.support) == (4 / 6, 4 / 5, 5)
    assert (two.precision, two.recall, two.f1, two.support) == (0, 0, 0, 2)
    assert (three.precision, three.recall, three.f1, three.support) == (0, 0, 0, 0)


def test_loss_is_cross_entropy_and_does_not_overflow():
    logits = np.array([[0, np.log(3)], [2000, 0], [0, 2000]], np.float32)
    found = cross_entropy(logits, np.array([1, 0, 0]))
    assert found == pytest.approx([np.log(4 / 3), 0, 2000], rel=1e-6)
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [1, 0], [0, 1]], rtol=1e-6)
