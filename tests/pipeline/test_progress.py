import io

import pytest

from idxpipe.pipeline.cli import progress
from idxpipe.pipeline.cli.progress import Lines, format_table
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord, duration, silent

TASKS = {
    "a": TaskRecord("a", "a", status=Status.SUCCEEDED, seconds=3.44),
    "b-long": TaskRecord("b-long", "", status=Status.CACHED, cached_from="r0"),
    "c": TaskRecord("c", "c", status=Status.FAILED, seconds=125.0),
    "d": TaskRecord("d", "d"),
    "importer-x": TaskRecord("importer-x", kind="importer", status=Status.SUCCEEDED),
}
RECORD = RunRecord("r1", "/root", "p", "d", {}, seconds=130.2, tasks=TASKS)


def test_table():
    assert format_table(RECORD).splitlines() == [
        "stage   status        time",
        "a       done         3.4 s",
        "b-long  cached           -",
        "c       failed  2 min 05 s",
        "d       -                -",
        "total           2 min 10 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (7260, "2 h 01 min")],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


def test_lines():
    stream = io.StringIO()
    lines = Lines(stream)
    for task in TASKS.values():
        lines(task, "")
    lines(TASKS["d"], "waits")
    assert [line.split(maxsplit=1)[1] for line in stream.getvalue().splitlines()] == [
        "done in 3.4 s",
        "cached (from run r0)",
        "failed in 2 min 05 s",
        "-",
        "waits",
    ]


def test_a_reader_who_goes_away_does_not_end_the_run():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    progress.Lines(Gone())(TaskRecord("train", status=Status.RUNNING), "")


def test_what_a_stage_logged_is_shown_whatever_it_is():
    logged = {"accuracy": 0.5, "n": 3.0, "examples": 10_000, "framework": "tf", "good": True}
    made = Artifact("m", "/m", {"schemaTitle": "system.Metrics"}, logged)
    task = TaskRecord("a", outputs=Values({}, {"m": made}))
    lines = progress.metric_lines(RunRecord("r", "/root", "p", "d", {}, tasks={"a": task}))
    assert [line.split()[-1] for line in lines] == ["0.5000", "3", "10000", "tf", "True"]


def test_imported_artifacts_are_not_results_of_the_run():
    made = Artifact("m", "/m", {"schemaTitle": "system.Metrics"}, {"accuracy": 1})
    page = Artifact("h", "/h.html", {"schemaTitle": "system.HTML"})
    outputs = Values({}, {"m": made, "h": page})
    tasks = {
        kind: TaskRecord(kind, kind=kind, outputs=outputs) for kind in ("container", "importer")
    }
    record = RunRecord("r", "/root", "p", "d", {}, tasks=tasks)
    assert progress.metrics(record) == {"container": {"accuracy": 1}}
    assert progress.reports(record) == {"container": "/h.html"}
    silent(tasks["container"], "")
