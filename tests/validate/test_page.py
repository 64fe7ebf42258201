import base64
import contextlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.idx.files import DataFiles
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests.idxfiles import make_arrays, write_data_set
from tests.validate.cases import data_set, goes_on

VOID = {"meta", "img", "rect", "line"}


class Page(HTMLParser):
    """Fails on tags that are not closed; keeps headings, pictures and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.sources, self.text = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in VOID or tag == "rect":
            self.open.append(tag)
        self.sources += [value for name, value in attributes if name == "src"]

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("h2", "h3"):
            self.headings.append(data)


def page_of(tmp_path, files, **config):
    path = tmp_path / "page.html"
    with contextlib.suppress(FaultsError):
        validate(DataFiles(**files), ValidateConfig(**config), page=str(path))
    return path.read_text()


def pictures(page):
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        for source in Page(page).sources
    ]


def test_is_one_self_contained_well_formed_page(tmp_path):
    text = page_of(tmp_path, data_set(tmp_path / "data"))
    page = Page(text)
    assert "In order" in page.text
    assert "<script" not in text
    assert not re.search(r"https?://|url\(|@import|<link", text)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert {"Findings", "Training split", "Test split", "First examples"} <= {*page.headings}
    assert "$" not in text


def test_shows_the_samples_of_each_class_and_the_mean(tmp_path):
    files = data_set(tmp_path / "data")
    arrays = make_arrays(200, 40)
    shown = pictures(page_of(tmp_path, files))
    # Of each split: ten classes, mean and standard deviation.
    assert len(shown) == 2 * (10 + 2)
    low, high = arrays["train_images"].min(), arrays["train_images"].max()
    third = arrays["train_images"][3::10][:8]
    for column, image in enumerate(third):
        cell = shown[3][:, column * 29 : column * 29 + 28]
        expected = np.rint((image.astype(float) - low) * 255 / (high - low))
        np.testing.assert_array_equal(cell, expected)
    mean = (arrays["train_images"].mean(axis=0) - low) * 255 / (high - low)
    np.testing.assert_allclose(shown[10], mean, atol=0.51)


def test_classes_are_called_by_their_names(tmp_path):
    files = data_set(tmp_path / "data")
    names = ["<i>", *"bcdefghij"]
    (tmp_path / "data" / "classes.json").write_text(json.dumps({"class_names": names}))
    page = page_of(tmp_path, files)
    assert page.count("<b>0 &lt;i&gt;</b>") == 2
    assert "<i>" not in page


def test_transposed_images_are_shown_upright(tmp_path):
    arrays = make_arrays(200, 40)
    sides = {r: a.swapaxes(1, 2) if "images" in r else a for r, a in arrays.items()}
    upright = pictures(page_of(tmp_path, write_data_set(tmp_path / "a", arrays)))
    files = write_data_set(tmp_path / "b", {r: np.ascontiguousarray(a) for r, a in sides.items()})
    for one, other in zip(
        upright, pictures(page_of(tmp_path, files, transposed=True)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((9, 7), "int16"), ((8, 8, 1), "int8"), ((40, 130, 3), "float64"), ((5, 4, 2), "float32")],
)
def test_any_images_become_pictures(tmp_path, shape, dtype):
    random = np.random.default_rng(0)
    arrays = make_arrays(200, 40)
    for split, count in (("train", 200), ("test", 40)):
        arrays[f"{split}_images"] = random.normal(0, 50, (count, *shape)).astype(dtype)
    files = write_data_set(tmp_path / "data", arrays)
    shown = pictures(page_of(tmp_path, files, image_shape="auto"))
    assert len(shown) == 24
    assert max(shown[0].shape[:2]) <= 8 * 65
    assert shown[0].ndim == (3 if shape[-1] == 3 else 2)


def test_headers_alone_say_what_was_not_looked_at(tmp_path):
    page = Page(page_of(tmp_path, data_set(tmp_path / "data"), depth="headers"))
    assert "Not looked at" in page.headings
    assert not page.sources


def test_faults_are_on_top_with_what_to_do(tmp_path):
    files = data_set(tmp_path / "data")
    goes_on(files)
    text = page_of(tmp_path, files)
    assert "1 error" in Page(text).text
    place = text.index("IDX012")
    assert text.index("<h2>Findings") < place < text.index("<h2>Facts")
    assert "fetch the file again" in text[place:]


def test_names_from_outside_are_escaped(tmp_path):
    evil = tmp_path / "<script>alert(1)<" / "script>"
    text = page_of(tmp_path, data_set(evil))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_same_data_gives_the_same_page(tmp_path):
    files = data_set(tmp_path / "data")
    (tmp_path / "b").mkdir()
    assert page_of(tmp_path, files) == page_of(tmp_path / "b", files)


def test_many_classes_stay_readable(tmp_path):
    arrays = make_arrays(900, 900, shape=(8, 8))
    for split in ("train", "test"):
        arrays[f"{split}_labels"] = (np.arange(900) % 300).astype(np.int16)
    files = write_data_set(tmp_path / "data", arrays)
    text = page_of(tmp_path, files, num_classes=300, image_shape="8x8")
    assert "The first 200 of 300." in text
    assert "First examples of the first 100 classes" in text
    assert len(Page(text).sources) == 2 * (100 + 2)
    assert len(text) < 1 << 20
