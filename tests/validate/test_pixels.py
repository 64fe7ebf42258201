import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxpipe.components.core.idx.header import Header
from idxpipe.components.validate import pixels
from idxpipe.components.validate.pixels import Pixels, RowHash


def look(images, wanted=(), piece=1 << 20):
    header = Header(images.dtype.name, images.shape)
    seen = Pixels(header, wanted)
    data = images.astype(images.dtype.newbyteorder(">")).tobytes()
    for place in range(0, len(data), piece):
        seen(data[place : place + piece], header.data_offset + place)
    return seen.facts()


def make(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(60, 30, shape).clip(0, 120).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3000, 28, 28), (7000, 5, 3), (40, 64, 48, 3), (100_000, 1, 1)])
def test_figures_are_those_of_numpy(dtype, shape):
    images = make(shape, dtype)
    facts = look(images, piece=99_991)
    wide = images.astype(np.float64)
    assert facts.images == facts.averaged == len(images)
    assert (facts.minimum, facts.maximum) == (wide.min(), wide.max())
    np.testing.assert_allclose(facts.mean, wide.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(facts.std, wide.std(axis=0), rtol=1e-6)
    assert facts.constant == (len(images), 0) if shape[1:] == (1, 1) else facts.constant[0] == 0


def test_the_histogram_is_of_the_pixels():
    images = make((50, 28, 28), np.uint8)
    facts = look(images)
    assert facts.histogram.tolist() == np.histogram(images, facts.edges)[0].tolist()
    wide = look(images.astype(np.float32))
    assert wide.histogram.sum() == images.size
    assert (wide.edges[0], wide.edges[-1]) == (images.min(), images.max())


def test_samples_are_the_images_that_were_asked_for():
    images = make((3000, 20, 30, 3), np.int16)
    facts = look(images, wanted=[2999, 0, 1234])
    assert sorted(facts.samples) == [0, 1234, 2999]
    for number, image in facts.samples.items():
        np.testing.assert_array_equal(image, images[number])


def test_large_images_are_thinned_in_pictures_but_not_in_checks(monkeypatch):
    monkeypatch.setattr(pixels, "_MOST_PIXELS", 1000)
    images = make((4, 90, 100), np.uint8)
    images[2, 1, 1] = 255
    facts = look(images, wanted=[2])
    assert facts.mean.shape == (30, 34)
    np.testing.assert_allclose(facts.mean, images[:, ::3, ::3].mean(axis=0))
    assert facts.maximum == 255
    assert facts.samples[2].shape == (45, 50)


def test_of_large_files_every_eighth_block_is_averaged(monkeypatch):
    monkeypatch.setattr(pixels, "ALL_BYTES", 1 << 20)
    monkeypatch.setattr(pixels, "_BLOCK_BYTES", 100_000)
    images = make((30_000, 10, 10), np.uint8)
    images[29_000] = 0
    facts = look(images)
    assert 30_000 / 16 < facts.averaged < 30_000 / 4
    assert facts.constant == (1, 29_000)
    np.testing.assert_allclose(facts.mean, images.mean(axis=0), atol=5)


def test_not_finite_pixels_are_counted_and_left_out():
    images = make((500, 6, 6), np.float32)
    images[100, 0, 0], images[400, 1, 1] = np.nan, -np.inf
    facts = look(images)
    assert facts.not_finite == (2, 100)
    assert np.isfinite([facts.minimum, facts.maximum, *facts.mean.ravel()]).all()


def test_constant_images_are_counted():
    images = make((900, 6, 6), np.int32)
    images[[500, 800]] = -4
    assert look(images).constant == (2, 500)


def test_only_so_many_images_are_compared(monkeypatch):
    monkeypatch.setattr(pixels, "MAX_COMPARED", 1000)
    facts = look(make((3000, 9, 9), np.uint8))
    assert (len(facts.keys), facts.images) == (1000, 3000)


@given(st.integers(1, 70), st.integers(0, 2**32), st.data())
def test_rows_that_differ_in_one_byte_have_another_hash(length, seed, data):
    rows = np.random.default_rng(seed).integers(0, 256, (3, length), dtype=np.uint8)
    rows[1] = rows[0]
    rows[2] = rows[0]
    rows[2, data.draw(st.integers(0, length - 1))] ^= data.draw(st.integers(1, 255))
    one, same, other = RowHash(length)(rows)
    assert one == same != other


def test_hashes_are_the_same_on_every_machine_and_do_not_collide():
    rows = np.arange(8, dtype=np.uint8).reshape(2, 4)
    assert [f"{key:016x}" for key in RowHash(4)(rows).tolist()] == [
        "5ed75284a14add00",
        "8d03eec9fea49474",
    ]
    # Every row of one or two bits: images differ by as little.
    single = np.packbits(np.eye(40 * 8, dtype=bool), axis=1)
    one, other = np.triu_indices(len(single))
    rows = single[one] | single[other]
    assert len(np.unique(RowHash(40)(rows))) == len(rows)


def test_no_whole_image_gives_no_facts():
    seen = Pixels(Header("uint8", (5, 4, 4)))
    seen(bytes(15), 16)
    assert seen.facts() is None
