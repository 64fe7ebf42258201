import numpy as np
import pytest

from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.evaluate.metrics.outcomes import Gathering

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (11, 3, 4)).astype(np.int16)
LABELS = np.arange(11) % 4
LOGITS = RANDOM.normal(size=(11, 4)).astype(np.float32)


def gather(images, labels, batch):
    gathering = Gathering()
    for first in range(0, len(images), batch):
        rows = slice(first, first + batch)
        gathering.add(images[rows], labels[rows], LOGITS[rows])
    return gathering.outcomes()


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_the_batches_do_not_matter(batch):
    whole, parts = gather(IMAGES, LABELS, 11), gather(IMAGES, LABELS, batch)
    assert parts.examples == whole.examples
    for name in ("labels", "classes", "confidences", "losses", "ranks"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_examples_are_the_content_in_order_not_how_it_lies_in_memory():
    examples = gather(IMAGES, LABELS, 4).examples
    assert examples.images == str(Fingerprint().extend(IMAGES.astype("<i2").tobytes()))
    assert examples.labels == str(Fingerprint().extend(LABELS.astype("<i8").tobytes()))
    assert gather(IMAGES.astype(">i2"), LABELS.astype(">i8"), 4).examples == examples
    assert gather(IMAGES[::-1], LABELS, 4).examples.images != examples.images
    assert gather(IMAGES, LABELS[::-1], 4).examples.labels != examples.labels


def test_classes_beyond_a_byte_are_kept():
    gathering = Gathering()
    logits = np.zeros((1, 9999), np.float32)
    logits[0, 9998] = 1
    gathering.add(IMAGES[:1], np.array([9997]), logits)
    outcomes = gathering.outcomes()
    assert (outcomes.labels[0], outcomes.classes[0], outcomes.ranks[0]) == (9997, 9998, 9998)
