import pytest

from idxpipe.pipeline import failure
from idxpipe.pipeline.state import RunRecord, Status, TaskRecord


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "stage ended with exit code 1, without saying why"),
        (139, "stage was killed (SIGSEGV)"),
        (128 + 64, "stage was killed (SIGRTMAX)"),
        (255, "stage ended with exit code 255, without saying why"),
    ],
)
def test_without_a_log(tmp_path, code, text):
    assert failure.explain(code, str(tmp_path / "none")) == text


def test_only_the_end_of_a_large_log_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"error: early\n" + b"\xff" * (1 << 20) + b"\nlast\n")
    explained = failure.explain(1, str(log))
    assert "early" not in explained
    assert explained.endswith("  | last")


def test_trust_14_command_is_quoted():
    tasks = {"a": TaskRecord("a", status=Status.SUCCEEDED), "b": TaskRecord("b")}
    record = RunRecord("r", "/my runs", "p", "d", {}, tasks=tasks)
    assert failure.command(record) == "idxpipe resume r --root '/my runs'"
    assert failure.command(record, "a").endswith("--from a --run r")


def test_the_first_failure_decides():
    tasks = {
        "a": TaskRecord("a", status=Status.FAILED, ended="2", exit_code=3, error="x", log="/a.log"),
        "b": TaskRecord("b", status=Status.FAILED, ended="1", exit_code=200, error="y", log="/b"),
    }
    record = RunRecord("r", "/root", "p", "d", {}, Status.FAILED, tasks=tasks)
    error = failure.error_of(record)
    assert error.exit_code == 1
    assert str(error) == (
        "b: y\n  log:      /b\n  also:     a failed: /a.log\n"
        "  go on:    idxpipe resume r --root /root"
    )


def test_trust_9_a_stage_that_was_killed_for_memory_is_no_defect_of_ours(tmp_path):
    explained = failure.explain(137, str(tmp_path / "none"))
    assert "for want of memory" in explained
    assert "to do:    give it more memory, or lower --jobs" in explained
    task = TaskRecord("a", status=Status.FAILED, ended="1", exit_code=137, error=explained)
    error = failure.error_of(
        RunRecord("r", "/root", "p", "d", {}, Status.FAILED, tasks={"a": task})
    )
    assert error.exit_code == 5
