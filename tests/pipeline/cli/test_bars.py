"""What a stage's events look like on a terminal."""

import io
import time

import pytest

from idxpipe.components.core.events import Event, emit
from idxpipe.pipeline.cli.bars import Bars, live, rows
from tests.terminal import screen

TRAINING = Event(
    "train",
    done=4500,
    total=10_000,
    unit="steps",
    rate=91.6,
    figures={"loss": 0.1234, "examples/s": 51_234},
)


def drawn(event, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = io.StringIO()
    with live(lambda: rows([("train", event, 0.0)], 12.0), stream, keep=True):
        pass
    return screen(stream.getvalue(), columns)


@pytest.mark.parametrize("columns", [200, 100, 80, 60, 40])
def test_a_row_fits_and_keeps_what_matters(columns, monkeypatch):
    (line,) = drawn(TRAINING, columns, monkeypatch)
    assert line.startswith("train")
    assert len(line) <= columns
    assert "1:00 left" in line
    assert "45%" in line or "4,500/10,000" in line
    assert "…" not in line
    assert ("51,234" in line) == (columns >= 100)


def test_what_does_not_count_has_a_word_and_its_time(monkeypatch):
    (line,) = drawn(Event("train", doing="loading TensorFlow"), 80, monkeypatch)
    assert "loading TensorFlow" in line
    assert "0:12" in line


def test_nothing_is_written_without_an_event():
    stream = io.StringIO()
    with Bars(stream):
        pass
    assert stream.getvalue() == ""


def test_a_bar_is_drawn_until_it_is_full():
    stream = io.StringIO()
    with Bars(stream):
        emit(TRAINING)
        deadline = time.monotonic() + 60
        while "45%" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "45%" in screen(stream.getvalue())[0]
        emit(Event("train", done=1, total=1))
    assert screen(stream.getvalue()) == []
