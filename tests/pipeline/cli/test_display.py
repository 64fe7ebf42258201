import io
import time

import pytest

from idxpipe.pipeline.cli.display import Changes, Live, Stages, stages
from idxpipe.pipeline.progress import Lines
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord
from tests.terminal import screen

TASKS = {
    "a": TaskRecord("a", "a", status=Status.SUCCEEDED, seconds=3.44),
    "b-long": TaskRecord("b-long", "", status=Status.CACHED, cached_from="r0"),
    "c": TaskRecord("c", "c", status=Status.FAILED, seconds=125.0),
    "d": TaskRecord("d", "d"),
    "importer-x": TaskRecord("importer-x", kind="importer", status=Status.SUCCEEDED),
}
RECORD = RunRecord("r1", "/root", "p", "d", {}, seconds=130.2, tasks=TASKS)


def record(status, **more):
    return TaskRecord(name="train", title="train", kind="container", status=status, **more)


def test_a_running_stage_is_drawn_until_it_ends(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("step 100/1000, " + "and so on " * 20 + "\n")
    stream = io.StringIO()
    with Live(stream) as live:
        live(record(Status.RUNNING, log=str(log)), "")
        deadline = time.monotonic() + 60
        while "step 100/1000" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
        (line,) = screen(stream.getvalue())
        assert line.startswith("train")
        assert "step 100/1000" in line
        assert len(line) <= 80
        live(record(Status.SUCCEEDED, seconds=3.0), "")
    assert screen(stream.getvalue()) == ["train                done in 3.0 s"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.CACHED])
def test_other_endings_are_lines_as_without_a_terminal(status):
    stream = io.StringIO()
    with Live(stream) as live:
        live(record(status, cached_from="r"), "")
    assert "train" in stream.getvalue()


def test_table():
    assert stages(RECORD).splitlines() == [
        "stage   status        time",
        "a       done         3.4 s",
        "b-long  cached           -",
        "c       failed  2 min 05 s",
        "d       -                -",
        "total           2 min 10 s",
    ]


def test_a_reader_who_goes_away_does_not_end_the_run():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    Lines(Gone())(TaskRecord("train", status=Status.RUNNING), "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_states_have_colours_on_a_terminal_unless_refused(monkeypatch):
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31mfailed" in stages(RECORD)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in stages(RECORD)


def test_a_table_of_stages_is_drawn_over_the_one_before():
    stream = Terminal()
    with Stages(stream) as show:
        show(RECORD)
        show(RECORD)
    assert screen(stream.getvalue()) == stages(RECORD).splitlines()


def test_changes_are_told_once():
    stream = io.StringIO()
    with Changes(stream) as show:
        show(RECORD)
        show(RECORD)
    assert stream.getvalue().count("failed in") == 1
