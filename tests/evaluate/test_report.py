import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.report.png import encode_png
from idxpipe.components.evaluate.mistakes import Mistake
from idxpipe.components.evaluate.report import as_shades, render

FACTS = {
    "version": "1",
    "accuracy": 0.5,
    "accuracy_interval_95": [0.25, 0.75],
    "accuracy_wilson_95": [0.15, 0.85],
    "loss": 1.0,
    "num_examples": 4,
    "classes": [{"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}] * 2,
    "confusion_matrix": [[1, 1], [1, 1]],
    "top_k": {"k": 2, "accuracy": 1.0},
    "macro": {"precision": 0.5, "recall": 0.5, "f1": 0.5},
    "slices": [{"num_examples": 2, "loss": 1.0, "confidence": 0.75}] * 2,
    "calibration": {
        "expected_calibration_error": 0.25,
        "bins": [
            {"low": 0, "high": 0.5, "count": 0, "right": 0, "accuracy": None, "confidence": None},
            {"low": 0.5, "high": 1, "count": 4, "right": 2, "accuracy": 0.5, "confidence": 0.75},
        ],
    },
    "baseline": None,
    "dataset": {
        "split": "test",
        "num_examples": 4,
        "image_shape": [8, 8],
        "image_dtype": "uint8",
        "sources": {"images": "1-a"},
        "digest": "dada" * 16,
    },
    "model": {"digest": "", "step": 1, "loss": 0.1, "parameters": 5, "sources": {}, "version": "1"},
}
CARD = ModelCard("m", 1, 0.1, 5, 2, (8, 8), "uint8", {}, "1", num_examples=60_000)
MISTAKE = Mistake(3, 0, 1, 0.9, np.zeros((8, 8), np.uint8))


class Balance(HTMLParser):
    """Fails on tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_is_one_self_contained_well_formed_page():
    page = render(FACTS, [MISTAKE], CARD)
    parser = Balance()
    parser.feed(page)
    assert not parser.open
    assert "<script" not in page
    assert not re.search(r"https?://|url\(|@import", page)
    assert re.findall(r'src="(.{10})', page) == ["data:image"]
    assert "50.00" in page
    assert "25.00 to 75.00" in page
    assert "$" not in page


def test_it_names_the_digests_of_what_was_used():
    assert "has no digest" in render(FACTS, [], CARD)
    page = render({**FACTS, "model": {**FACTS["model"], "digest": "feed" * 16}}, [], CARD)
    for word in ("digest dadadadadadadada<", "digest feedfeedfeedfeed<"):
        assert word in page


def test_names_from_outside_are_escaped():
    evil = "<script>alert('x')</script>"
    facts = {
        **FACTS,
        "version": evil,
        "dataset": {**FACTS["dataset"], "split": evil, "sources": {evil: evil}},
    }
    page = render(facts, [], CARD)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(("p_value", "verdict"), [(0.01, "worse"), (0.3, "not worse")])
def test_the_baseline_is_told(p_value, verdict):
    assert "baseline" not in render(FACTS, [], CARD)
    baseline = {"accuracy": 0.8125, "lost": 9, "won": 1, "p_value": p_value, "alpha": 0.05}
    page = render({**FACTS, "baseline": baseline}, [], CARD)
    assert f"<b>{verdict}</b>" in page
    assert "81.25" in page


def test_an_interval_that_collapsed_is_not_shown():
    assert "(bootstrap)" in render(FACTS, [], CARD)
    page = render({**FACTS, "accuracy_interval_95": [1.0, 1.0]}, [], CARD)
    assert "15.00 to 85.00" in page
    assert "(Wilson)" in page


def test_an_absent_class_and_a_matrix_too_large_for_a_page():
    absent = {"num_examples": 0, "loss": None, "confidence": None}
    page = render({**FACTS, "slices": [FACTS["slices"][0], absent]}, [], CARD)
    assert '<td class="wide">\N{EN DASH}</td>' in page
    many = [[1] * 101] * 101
    assert "101 classes: see metrics.json" in render({**FACTS, "confusion_matrix": many}, [], CARD)


def test_no_mistakes_is_said():
    facts = {**FACTS, "confusion_matrix": [[2, 0], [0, 2]]}
    assert "every example was classified right" in render(facts, [], CARD)


@pytest.mark.parametrize(
    ("shape", "channels"), [((5, 6), 1), ((5, 6, 1), 1), ((5, 6, 3), 3), ((5, 6, 4), 1)]
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_any_image_becomes_a_png(shape, channels, dtype):
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    pixels = tf.io.decode_png(encode_png(as_shades(image))).numpy()
    assert pixels.shape == (5, 6, channels)
    if dtype == "uint8":
        expected = image.reshape(5, 6, -1)[:, :, :channels]
        np.testing.assert_array_equal(pixels, expected)
    else:
        assert (pixels.min(), pixels.max()) >= (0, 250)


def test_blank_and_broken_images_become_a_png_too():
    assert as_shades(np.full((2, 2), 3.0)).tolist() == [[0, 0], [0, 0]]
    assert as_shades(np.array([[np.nan, 1.0], [0.0, np.inf]])).shape == (2, 2)


def test_the_header_says_what_was_trained_and_on_what():
    config = {"recipe": "fast", "model": "tiny", "label_smoothing": 0.1}
    page = render(FACTS, [], dataclasses.replace(CARD, config=config))
    line = "recipe fast · network tiny · 60,000 training examples · step 1 · 4 test examples"
    assert line in page
    assert "label smoothing 0.1" in page
    assert "label smoothing" not in render(FACTS, [], CARD)


def test_a_class_without_examples_has_dashes():
    absent = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    empty = {"num_examples": 0, "loss": None, "confidence": None}
    facts = {
        **FACTS,
        "classes": [FACTS["classes"][0], absent],
        "slices": [FACTS["slices"][0], empty],
    }
    (row,) = re.findall(r"<tr><th scope=\"row\">1</th>(.*?)</tr>", render(facts, [], CARD))[:1]
    assert re.findall(r">([^<]+)</td>", row) == ["\N{EN DASH}"] * 5 + ["0"]


def test_classes_are_called_by_their_names():
    facts = FACTS | {"class_names": ["cat", "<i>dog"]}
    page = render(facts, [MISTAKE], CARD)
    assert '<th scope="row">0 cat</th>' in page
    assert "<b>0 cat</b> taken for <b>1 &lt;i&gt;dog</b>" in page
    assert "1 of 2 with label 1 &lt;i&gt;dog classified as 0 cat" in page
    assert "<i>" not in page
    # Those of another number of classes are left out.
    assert "cat" not in render(FACTS | {"class_names": ["cat"]}, [MISTAKE], CARD)
