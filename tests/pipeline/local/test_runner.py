import json
import shlex
import subprocess
import sys
import threading
import time

import pytest

from idxpipe.components.core.errors import IdxpipeError, SetupError, UsageError
from idxpipe.pipeline import failure, state
from idxpipe.pipeline.cli import summary
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy
from tests.pipeline.conftest import log_of, one, statuses

ALL = ("look", "copy-train", "copy-test", "train", "judge")


def test_runs_everything_and_records_it(run, root):
    record = run()
    assert statuses(record) == dict.fromkeys(ALL, "succeeded")
    assert record == state.load(str(root), record.run_id)
    assert record.parameters["steps"] == 10
    judge = record.tasks["judge"]
    assert judge.outputs.parameters == {"score": 0.5}
    assert (
        judge.inputs.artifacts["model"].uri == record.tasks["train"].outputs.artifacts["model"].uri
    )
    with open(judge.outputs.artifacts["report"].uri) as stream:
        assert stream.read() == "second\nFIRST\n"
    assert summary.metrics(record) == {"judge": {"accuracy": 0.5, "n": 3}}
    assert summary.reports(record) == {"judge": judge.folder + "/report.html"}
    assert failure.error_of(record) is None
    assert judge.exit_code == 0
    assert judge.started < judge.ended


def test_keeps_the_very_file(run, pipeline):
    record = run()
    with open(record.folder + "/pipeline.yaml", "rb") as stream:
        assert stream.read() == pipeline.source


def test_independent_tasks_run_side_by_side(run, tmp_path, monkeypatch):
    # Each of the two copies waits for the other.
    meeting = tmp_path / "meet"
    meeting.mkdir()
    monkeypatch.setenv("MEET", str(meeting))
    assert run(jobs=2).status == "succeeded"


def test_jobs_bounds_how_many(run, tmp_path, monkeypatch):
    seen = []
    lock = threading.Lock()

    def watch(task, note):
        with lock:
            seen.append((task.name, str(task.status)))

    assert run(jobs=1, progress=watch).status == "succeeded"
    running = 0
    for _, status in seen:
        running += 1 if status == "running" else -1
        assert running in {0, 1}


def test_refuses_unknown_forced_stage(run):
    with pytest.raises(UsageError, match="no such stage"):
        run(force=frozenset({"nope"}))


def test_refuses_parameters_before_anything_starts(pipeline, root):
    with pytest.raises(UsageError, match="data: required"):
        runner.run(pipeline, {}, str(root))
    assert not root.exists()


def test_root_that_cannot_be_written(pipeline, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IdxpipeError, match="file"):
        runner.run(pipeline, {"data": "x"}, str(tmp_path / "file"))


def test_record_that_cannot_be_written_ends_the_stages(root, monkeypatch):
    def fail(self, record):
        raise SetupError("disk is full")

    def full(task, note):
        monkeypatch.setattr(state.Ledger, "_save", fail)

    started = time.monotonic()
    tasks = {"a": toy.task(":"), "b": toy.task("sleep 300")}
    with pytest.raises(SetupError, match="disk is full"):
        pipeline = parse(toy.text(toy.document(tasks)))
        runner.run(pipeline, {}, str(root), progress=full, jobs=2)
    assert time.monotonic() - started < 120


def test_defect_of_ours_is_recorded(root, monkeypatch):
    monkeypatch.setattr("idxpipe.pipeline.local.task.key_of", lambda *_: 1 / 0)
    error = failure.error_of(runner.run(one(":"), {}, str(root)))
    assert error.exit_code == 1
    assert "  | ZeroDivisionError" in str(error)


def test_go_on_command_goes_on(run, root, monkeypatch, pipeline):
    monkeypatch.setenv("BREAK", "b")
    record = run(jobs=1)
    assert statuses(record) == {
        "look": "succeeded",
        "copy-test": "failed",
        "copy-train": "pending",
        "train": "pending",
        "judge": "pending",
    }
    error = failure.error_of(record)
    assert error.exit_code == 3
    assert "byte 4: wrong magic number\n  expected: 2051\n  found:    7\n" in str(error)
    assert "something before" not in str(error)
    program, *words = shlex.split(str(error).rpartition("go on: ")[2])
    assert program == "idxpipe"
    monkeypatch.delenv("BREAK")
    assert main(words) == 0
    more = state.find(str(root))
    assert statuses(more) == {
        "look": "cached",
        "copy-test": "succeeded",
        "copy-train": "succeeded",
        "train": "succeeded",
        "judge": "succeeded",
    }
    # It went on in the folder of the failed attempt, and the next run finds what it made.
    assert more.tasks["copy-test"].folder == record.tasks["copy-test"].folder
    assert "went on from half" in log_of(more, "copy-test")
    assert statuses(run())["judge"] == "cached"


def marking(name, mark):
    """Have a file there once the failure of a stage is recorded."""

    def progress(task, note):
        if task.name == name and task.status == "failed":
            mark.touch()

    return progress


def after_failure(mark):
    return f"while [ ! -e {mark} ]; do sleep 0.05; done"


def test_running_siblings_of_a_failure_finish_and_nothing_new_starts(root, tmp_path):
    mark = tmp_path / "failed"
    tasks = {
        "bad": toy.task("exit 3"),
        "good": toy.task(after_failure(mark)),
        "next": toy.task(":", after=["good"]),
    }
    pipeline = parse(toy.text(toy.document(tasks)))
    record = runner.run(pipeline, {}, str(root), jobs=2, progress=marking("bad", mark))
    assert statuses(record) == {"bad": "failed", "good": "succeeded", "next": "pending"}


def test_two_failures_are_both_named(root, tmp_path):
    mark = tmp_path / "failed"
    tasks = {"a": toy.task("exit 3"), "b": toy.task(f"{after_failure(mark)}; exit 4")}
    pipeline = parse(toy.text(toy.document(tasks)))
    error = failure.error_of(
        runner.run(pipeline, {}, str(root), jobs=2, progress=marking("a", mark))
    )
    assert error.exit_code == 3
    assert "also:     b failed" in str(error)


def test_record_is_json(run):
    record = run()
    with open(record.folder + "/run.json") as stream:
        assert json.load(stream)["schema_version"] == state.SCHEMA_VERSION


def test_loads_neither_kfp_nor_tensorflow_nor_beam():
    code = (
        "import sys; import idxpipe.pipeline.local.runner, idxpipe.pipeline.state;"
        "import idxpipe.pipeline.rerun, idxpipe.pipeline.cli.display;"
        "print([m for m in ('kfp', 'tensorflow', 'apache_beam', 'google.protobuf', 'numpy')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
