import dataclasses

import numpy as np
import pytest

from idxpipe.components.core.idx.look import look_of
from idxpipe.components.core.model import ModelCard
from idxpipe.components.evaluate.contradictions import contradictions

CARD = ModelCard("/model", 1, 0.5, 9, 10, (28, 28), "uint8", {}, "test")


def signs(height, width, count=60):
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 14 - height : 14 + height, 14 - width : 14 + width] = 255
    return images


TALL = dataclasses.replace(CARD, look=look_of(signs(10, 4)))


def lines(images, card=TALL):
    return list(contradictions(iter(images), card))


def test_images_like_those_of_the_training():
    assert lines(signs(10, 4)) == []
    assert lines(signs(10, 4, 1)) == []
    assert lines(signs(4, 10), CARD) == []
    assert lines([]) == []


@pytest.mark.parametrize("count", [1, 10, 60])
def test_another_ground_is_seen_on_a_single_image(count):
    (line,) = lines(255 - signs(10, 4, count))
    assert "IDX056" in line
    assert "give --invert" in line
    paper = dataclasses.replace(CARD, look=look_of(255 - signs(10, 4)))
    (line,) = lines(signs(10, 4, count), paper)
    assert "on a dark ground" in line


def test_thin_strokes_on_paper_are_seen_and_what_to_do_depends_on_what_was_done():
    paper = np.full((1, 28, 28), 255, np.uint8)
    paper[:, 6:22, 14] = 0
    (line,) = lines(paper)
    assert "give --invert" in line
    (line,) = contradictions(iter(paper), TALL, inverted=True)
    assert "leave out --invert" in line


def test_images_on_their_side():
    (line,) = lines(signs(4, 10))
    assert "IDX057" in line
    assert lines(signs(4, 10, 49)) == []
    turned = dataclasses.replace(TALL, layout={"transposed": True})
    assert "--layout upright" in lines(signs(4, 10), turned)[0]


def test_another_scale():
    unit = dataclasses.replace(TALL, image_dtype="float32", pixel_range=(0.0, 1.0))
    assert lines((signs(10, 4) / 255).astype(np.float32), unit) == []
    (line,) = lines(signs(10, 4).astype(np.float32), unit)
    assert "IDX070" in line
    (line,) = lines(signs(10, 4) // 255)
    assert "from 0 to 1, those of the training from 0 to 255" in line
