import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.augment import Augmentation
from idxpipe.components.train.config import TrainConfig

IMAGES = tf.constant(np.random.default_rng(0).random((8, 9, 12, 3)), tf.float32)


def augmented(images=IMAGES, step=0, replica=0, **changes):
    values = {"shift": 0.0, "rotate": 0.0, "scale": 0.0, "batch_size": 8, "seed": 0} | changes
    number = tf.constant(step, tf.int64)
    return Augmentation(**values)(images, number, tf.constant(replica)).numpy()


def test_the_recipe_of_2018_wants_none():
    assert Augmentation.of(TrainConfig().resolved()) is None
    asked = TrainConfig(augment_rotate=5.0, batch_size=4, seed=3).resolved()
    assert Augmentation.of(asked) == Augmentation(0.0, 5.0, 0.0, 4, 3)
    assert Augmentation.of(asked, tpu=True) == Augmentation(0.0, 5.0, 0.0, 4, 3, tpu=True)


def test_nothing_asked_for_changes_nothing():
    np.testing.assert_allclose(augmented(), IMAGES, atol=1e-6)


def test_it_is_a_function_of_seed_and_step():
    assert np.array_equal(augmented(rotate=30.0), augmented(rotate=30.0))
    assert not np.array_equal(augmented(rotate=30.0), augmented(rotate=30.0, step=1))
    assert not np.array_equal(augmented(rotate=30.0), augmented(rotate=30.0, seed=1))


def test_an_image_is_changed_alike_on_however_many_replicas():
    amounts = {"shift": 0.2, "rotate": 20.0, "scale": 0.2}
    whole = augmented(step=7, **amounts)
    halves = [augmented(IMAGES[4 * r : 4 * r + 4], 7, r, **amounts) for r in range(2)]
    np.testing.assert_allclose(np.concatenate(halves), whole, atol=1e-6)


def centre(images):
    """Where the brightness of each image lies, in pixels from its middle: [N, 2]."""
    height, width = images.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    total = images.sum((1, 2))
    y = (images * (rows - (height - 1) / 2)).sum((1, 2)) / total
    x = (images * (columns - (width - 1) / 2)).sum((1, 2)) / total
    return np.stack([y, x], axis=1)


def test_a_shift_moves_by_up_to_its_share_of_the_side():
    dot = np.zeros((64, 21, 41), np.float32)
    dot[:, 10, 20] = 1
    moved = centre(augmented(tf.constant(dot), shift=0.2, batch_size=64))
    assert (np.abs(moved) <= [0.2 * 21, 0.2 * 41]).all()
    assert (np.abs(moved).max(0) > [0.15 * 21, 0.15 * 41]).all()


def test_a_turn_keeps_the_distance_and_the_angle_is_bounded():
    dot = np.zeros((64, 21, 21), np.float32)
    dot[:, 10, 18] = 1
    y, x = centre(augmented(tf.constant(dot), rotate=30.0, batch_size=64)).T
    np.testing.assert_allclose(np.hypot(y, x), 8, atol=0.5)
    angles = np.degrees(np.arctan2(y, x))
    assert 25 < np.abs(angles).max() < 32


def test_a_scale_moves_away_from_the_middle_or_towards_it():
    dot = np.zeros((64, 21, 21), np.float32)
    dot[:, 10, 15] = 1
    distance = centre(augmented(tf.constant(dot), scale=0.4, batch_size=64))[:, 1]
    assert 2.8 < distance.min() < 3.5
    assert 6.4 < distance.max() < 7.2


def test_the_border_is_repeated():
    flat = tf.fill([8, 5, 5], 0.7)
    found = augmented(flat, shift=0.9, rotate=90.0, scale=0.5)
    np.testing.assert_allclose(found, 0.7, atol=1e-6)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0], IMAGES[:, :1, :1]])
def test_a_tpu_gets_the_same(images):
    amounts = {"shift": 0.3, "rotate": 40.0, "scale": 0.3}
    np.testing.assert_allclose(
        augmented(images, tpu=True, **amounts), augmented(images, **amounts), atol=1e-6
    )


@pytest.mark.parametrize("tpu", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 4, 2)])
def test_xla_compiles_it_for_any_shape(shape, tpu):
    augment = Augmentation(0.1, 10.0, 0.1, 8, 0, tpu)
    images = tf.random.stateless_uniform((8, *shape), (0, 0))

    def call(step):
        return augment(images, step, tf.constant(0))

    step = tf.constant(3, tf.int64)
    compiled = tf.function(call, jit_compile=True)(step)
    assert compiled.shape == images.shape
    np.testing.assert_allclose(compiled, call(step), atol=1e-5)
