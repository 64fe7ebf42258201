import json
import threading

import pytest

from idxpipe.components.core import events
from idxpipe.components.core.events import Event, Lines, Meter, ToFile, emit, listening, read_event


@pytest.fixture
def told():
    found = []
    with listening(found.append):
        yield found


def test_a_meter_counts_what_threads_do(told):
    meter = Meter("convert train", 400, "MB")
    threads = [threading.Thread(target=meter.advance, args=(100,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.advance(shards="1 of 1")
    assert [event.done for event in told] == [100, 200, 300, 400, 400]
    last = told[-1]
    assert (last.stage, last.total, last.unit) == ("convert train", 400, "MB")
    assert last.over
    assert dict(last.figures) == {"shards": "1 of 1"}


def test_an_event_in_words():
    event = Event("train", done=50, total=200, unit="steps", rate=2.5, figures={"loss": 0.12345})
    assert str(event) == "50/200 steps  loss 0.1235  2.5 steps/s  60 s left"
    assert str(Event("train", doing="loading TensorFlow")) == "loading TensorFlow"
    assert Event("x").seconds_left is None


def test_the_last_listener_listens():
    outer, inner = [], []
    with listening(outer.append):
        with listening(inner.append):
            emit(Event("a"))
        emit(Event("b"))
    assert ([e.stage for e in outer], [e.stage for e in inner]) == (["b"], ["a"])


def test_lines_are_few_and_never_of_what_is_over_at_once():
    written = []
    lines = Lines(written.append, every=3600)
    for doing in ("loading", "loading", "compiling"):
        lines(Event("train", doing=doing))
    for done in range(1, 11):
        lines(Event("train", done=done, total=10))
    assert [event.doing for event in written] == ["loading", "compiling"]


def test_lines_come_in_time_and_tell_the_end_once():
    written = []
    lines = Lines(written.append, every=0)
    for done in (1, 9, 10):
        lines(Event("train", done=done, total=10))
    assert [event.done for event in written] == [1, 9, 10]


def test_a_reader_who_went_away_does_not_end_the_stage():
    def gone(event):
        raise BrokenPipeError

    Lines(gone)(Event("train", doing="loading"))


def test_who_reads_along_gets_the_newest(tmp_path):
    path = str(tmp_path / "event.json")
    assert read_event(path) is None
    to_file = ToFile(path)
    to_file(Event("train", doing="loading"))
    to_file(Event("train", done=2, total=2, unit="steps", figures={"loss": 0.5}))
    assert read_event(path) == Event("train", "", 2, 2, "steps", 0.0, {"loss": 0.5})
    (tmp_path / "event.json").write_text('{"stage": "x"')
    assert read_event(path) is None
    ToFile(str(tmp_path / "no" / "folder"))(Event("train", doing="loading"))


def test_on_vertex_a_line_is_what_cloud_logging_takes_apart(monkeypatch, capsys):
    monkeypatch.setenv("CLOUD_ML_JOB_ID", "123")
    events._default()(Event("train", doing="loading"))
    line = json.loads(capsys.readouterr().err)
    # https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
    assert (line["severity"], line["message"]) == ("INFO", "train: loading")
    assert line["stage"] == "train"


def test_elsewhere_it_is_a_line_with_the_time(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("CLOUD_ML_JOB_ID", raising=False)
    monkeypatch.setenv(events.FILE_VARIABLE, str(tmp_path / "event.json"))
    events._default()(Event("train", doing="loading"))
    assert capsys.readouterr().err[2::3][:2] == "::"
    assert read_event(str(tmp_path / "event.json")).doing == "loading"
