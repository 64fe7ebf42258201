import io

from idxpipe.pipeline.progress import Lines, last_words
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord

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
