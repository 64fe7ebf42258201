from idxpipe.pipeline.cli import summary
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, TaskRecord, silent


def test_what_a_stage_logged_is_shown_whatever_it_is():
    logged = {"accuracy": 0.5, "n": 3.0, "examples": 10_000, "framework": "tf", "good": True}
    made = Artifact("m", "/m", {"schemaTitle": "system.Metrics"}, logged)
    task = TaskRecord("a", outputs=Values({}, {"m": made}))
    lines = summary.metric_lines(RunRecord("r", "/root", "p", "d", {}, tasks={"a": task}))
    assert [line.split()[-1] for line in lines] == ["0.5000", "3", "10000", "tf", "True"]


def test_imported_artifacts_are_not_results_of_the_run():
    made = Artifact("m", "/m", {"schemaTitle": "system.Metrics"}, {"accuracy": 1})
    page = Artifact("h", "/h.html", {"schemaTitle": "system.HTML"})
    outputs = Values({}, {"m": made, "h": page})
    tasks = {
        kind: TaskRecord(kind, kind=kind, outputs=outputs) for kind in ("container", "importer")
    }
    record = RunRecord("r", "/root", "p", "d", {}, tasks=tasks)
    assert summary.metrics(record) == {"container": {"accuracy": 1}}
    assert summary.reports(record) == {"container": "/h.html"}
    silent(tasks["container"], "")
