import io
import time

import pytest

from idxpipe.pipeline.cli.live import Live, last_words
from idxpipe.pipeline.state import Status, TaskRecord


def record(status, **more):
    return TaskRecord(name="train", title="train", kind="container", status=status, **more)


def test_last_words_are_the_stages_not_kfps(tmp_path):
    log = tmp_path / "train.log"
    log.write_text('[KFP x]: started\n{\n  "a": 1\n}\nstep 100/1000\n[KFP x]: wrote\n')
    assert last_words(str(log)) == "step 100/1000"
    log.write_text("[KFP x]: started\n")
    assert last_words(str(log)) == ""
    assert last_words(None) == last_words(str(tmp_path / "none")) == last_words("gs://b/x") == ""


def test_a_running_stage_is_drawn_until_it_ends(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("step 100/1000\n")
    stream = io.StringIO()
    with Live(stream) as live:
        live(record(Status.RUNNING, log=str(log)), "")
        deadline = time.monotonic() + 10
        while "step 100/1000" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
        live(record(Status.SUCCEEDED, seconds=3.0), "")
    text = stream.getvalue()
    assert "step 100/1000" in text
    assert text.index("step 100/1000") < text.index("train                done in 3.0 s\n")
    assert text.endswith("\r\x1b[K")


@pytest.mark.parametrize("status", [Status.FAILED, Status.CACHED])
def test_other_endings_are_lines_as_without_a_terminal(status):
    stream = io.StringIO()
    with Live(stream) as live:
        live(record(status, cached_from="r"), "")
    assert "train" in stream.getvalue()
