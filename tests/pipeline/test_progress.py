import io
import time

from idxpipe.components.core import storage
from idxpipe.pipeline.progress import Lines, Verbose, last_words
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord

TASKS = {
    "a": TaskRecord("a", "a", status=Status.SUCCEEDED, seconds=3.44),
    "b-long": TaskRecord("b-long", "", status=Status.CACHED, cached_from="r0"),
    "c": TaskRecord("c", "c", status=Status.FAILED, seconds=125.0),
    "d": TaskRecord("d", "d"),
    "importer-x": TaskRecord("importer-x", kind="importer", status=Status.SUCCEEDED),
}


RECORD = RunRecord("r1", "/root", "p", "d", {}, seconds=130.2, tasks=TASKS)


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def record(status, **more):
    return TaskRecord(name="train", title="train", kind="container", status=status, **more)


def test_last_words_are_the_stages_not_kfps(tmp_path):
    log = tmp_path / "train.log"
    log.write_text('[KFP x]: started\n{\n  "a": 1\n}\nstep 100/1000\n[KFP x]: wrote\n')
    assert last_words(str(log)) == "step 100/1000"
    log.write_text("[KFP x]: started\n")
    assert last_words(str(log)) == ""
    assert last_words(None) == last_words(str(tmp_path / "none")) == last_words("gs://b/x") == ""


def test_lines():
    stream = io.StringIO()
    lines = Lines(stream)
    for task in TASKS.values():
        lines(task, "")
    lines(TASKS["d"], "waits")
    assert [line.split(maxsplit=2)[2] for line in stream.getvalue().splitlines()] == [
        "done in 3.4 s",
        "cached (from run r0)",
        "failed in 2 min 05 s",
        "-",
        "waits",
    ]


def test_verbose_shows_what_a_stage_prints_to_its_last_word(tmp_path):
    stream = io.StringIO()
    log = tmp_path / "train.log"
    log.write_text("one\ntw")
    running = record(Status.RUNNING, log=str(log), events=str(tmp_path / "event.json"))
    with Verbose(stream, every=0.01) as shown:
        shown(running, "")
        wait_for(lambda: "one" in stream.getvalue())
        assert "tw" not in stream.getvalue()
        with log.open("a") as more:
            more.write("o\n\x1b[31mthree")
        wait_for(lambda: "| two" in stream.getvalue())
        shown(record(Status.SUCCEEDED, log=str(log), seconds=1.0), "")
    said = [line.split(maxsplit=1)[1] for line in stream.getvalue().splitlines()]
    assert said[-2:] == [f"{'train':<20} | \\x1b[31mthree", f"{'train':<20} done in 1.0 s"]


def test_verbose_reads_the_log_of_a_bucket_where_it_is_until_it_is_there(tmp_path, monkeypatch):
    stream = io.StringIO()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "log").write_text("one\n")
    with Verbose(stream, every=60) as shown:
        there = {"log": "gs://b/train.log", "events": str(scratch / "event.json")}
        shown(record(Status.RUNNING, **there), "")
        (scratch / "log").unlink()
        text = b"one\ntwo\n"
        monkeypatch.setattr(storage, "exists", lambda uri: True)
        monkeypatch.setattr(storage, "size", lambda uri: len(text))
        monkeypatch.setattr(storage, "read", lambda uri, start: text[start:])
        shown(record(Status.SUCCEEDED, log="gs://b/train.log", seconds=1.0), "")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()][:-1] == [
        "one",
        "running",
        "two",
    ]
