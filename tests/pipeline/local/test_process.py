"""How stages end when they are told to, and when they are not."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from idxpipe.pipeline import failure, state
from idxpipe.pipeline.local import runner
from tests.pipeline import toy
from tests.pipeline.conftest import log_of, one, statuses

RUNNER = """
import sys
from idxpipe.pipeline.local import runner
from idxpipe.pipeline.spec.parse import load, parse
_, file, data, root, grace = sys.argv
record = runner.run(load(file), {"data": data}, root, grace=float(grace), jobs=2)
print(record.status)
"""


@pytest.fixture
def started(data, root, tmp_path, monkeypatch):
    """Start the toy pipeline in another process, which hangs in a stage."""
    (tmp_path / "pipeline.yaml").write_bytes(toy.text(toy.toy()))
    mark = tmp_path / "hanging"
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    arguments = [str(tmp_path / "pipeline.yaml"), str(data), str(root)]
    processes = []

    def start(hang="b", grace=5):
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *arguments, str(grace)],
            env={**os.environ, "HANG": hang, "HANG_MARK": str(mark)},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        wait_for(mark.exists, 120)
        mark.unlink()
        # Nothing else is going on by then, so what the tests find does not depend on timing.
        wait_for(lambda: state.find(str(root)).tasks["train"].status == "succeeded")
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_stages(started, root, number, run):
    process = started()
    process.send_signal(number)
    out, _ = process.communicate(timeout=50)
    assert out == "cancelled\n"
    record = state.find(str(root))
    assert record.status == "cancelled"
    assert record.tasks["copy-test"].status == "cancelled"
    error = failure.error_of(record)
    assert error.exit_code == 130
    assert f"idxpipe resume {record.run_id}" in str(error)
    assert failure.stopped_at(record) == "copy-test"
    # Well under the 60 s that the stage would have hung.
    assert record.seconds < 50
    assert statuses(run()) == {
        "look": "succeeded",
        "copy-train": "cached",
        "copy-test": "succeeded",
        "train": "cached",
        "judge": "succeeded",
    }


def test_killed_runner_takes_its_stages_along(started, root, run, tmp_path):
    process = started()
    process.kill()
    process.wait()
    before = state.find(str(root))
    assert before.status == "cancelled"
    assert before.tasks["copy-test"].status == "cancelled"
    # The lock outlives the runner until the stage has really ended.
    record = run()
    assert record.tasks["copy-test"].folder == before.tasks["copy-test"].folder
    assert "went on from half" in log_of(record, "copy-test")
    wait_for(lambda: not list((tmp_path / "tmp").glob("idxpipe-*")))


def test_two_runs_at_once_share_the_work(started, root, run):
    process = started()
    notes = []

    # The other run hangs in copy-test until it is told to stop; this one waits for it.
    def progress(task, note):
        notes.append((task.name, note))
        if "waits" in note:
            process.send_signal(signal.SIGINT)

    record = run(progress=progress)
    assert ("copy-test", "waits for another run to do the same") in notes
    assert record.status == "succeeded"
    assert "went on from half" in log_of(record, "copy-test")


def test_second_interrupt_kills(root, tmp_path):
    mark, heard = tmp_path / "mark", tmp_path / "heard"
    script = f"trap 'touch {heard}' TERM; touch {mark}; while :; do sleep 0.1 || :; done"
    pipeline = tmp_path / "p.yaml"
    pipeline.write_bytes(
        toy.text(toy.document({"one": toy.task(script)}, {"data": ("STRING", "x")}))
    )
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(pipeline), "x", str(root), "60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(mark.exists, 120)
    process.send_signal(signal.SIGINT)
    # Of two signals that come before the first is looked at, the system keeps one.
    wait_for(heard.exists)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    # Well under the 60 s that the first one leaves it.
    assert process.communicate(timeout=45)[0] == "cancelled\n"


def test_stragglers_of_a_stage_are_ended(root, tmp_path):
    script = f"sleep 300 & echo $! > {tmp_path}/pid"
    started = time.monotonic()
    assert runner.run(one(script), {}, str(root)).status == "succeeded"
    assert time.monotonic() - started < 120
    stat = pathlib.Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    wait_for(lambda: not stat.exists() or " Z " in stat.read_text())


def children(parent: int) -> dict[int, str]:
    """The command of each child of a process, but not of zombies, by its number."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


def guard_and_stage(runner_: int) -> tuple[int, set[int]]:
    """The guard of a runner, and all that runs under it."""
    (guard,) = [number for number, command in children(runner_).items() if "guard.py" in command]
    below, found = [guard], set()
    while below:
        below = [child for parent in below for child in children(parent)]
        found |= set(below)
    return guard, found


def alive(numbers) -> list[int]:
    found = []
    for number in numbers:
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            if stat[0] != "Z":
                found.append(number)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_trust_6_a_killed_runner_whose_guard_is_stopped(started, run, root):
    process = started()
    guard, stage = guard_and_stage(process.pid)
    os.kill(guard, signal.SIGSTOP)
    process.kill()
    process.wait()
    wait_for(lambda: not alive({guard, *stage}))
    assert "went on from half" in log_of(run(), "copy-test")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_trust_8_no_stage_runs_on_without_its_guard(root, tmp_path):
    # As KFP's launcher: a shell around the program that does the work.
    script = f"sleep 300 & echo $! > {tmp_path}/pid; wait; echo on"
    pipeline = tmp_path / "p.yaml"
    pipeline.write_bytes(
        toy.text(toy.document({"one": toy.task(script)}, {"data": ("STRING", "x")}))
    )
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(pipeline), "x", str(root), "60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), 120)
    guard, stage = guard_and_stage(process.pid)
    assert len(stage) == 2
    os.kill(guard, signal.SIGKILL)
    assert process.communicate(timeout=120)[0] == "failed\n"
    assert not alive(stage)
    assert state.find(str(root)).tasks["one"].exit_code == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_trust_8_what_lives_of_a_stage_holds_its_lock(started, root):
    process = started()
    guard, stage = guard_and_stage(process.pid)
    (lock,) = (root / "artifacts/copy-test").glob("*.lock")
    # Before the guard can end it: the last of the stage to die is that which has the lock.
    for number in (guard, process.pid):
        os.kill(number, signal.SIGSTOP)
    descriptor = os.open(lock, os.O_RDWR)
    try:
        held = {
            number
            for number in stage
            for link in pathlib.Path(f"/proc/{number}/fd").iterdir()
            if link.is_symlink() and os.path.realpath(link) == str(lock)
        }
        assert held == stage
    finally:
        os.close(descriptor)
        for number in (guard, process.pid):
            os.kill(number, signal.SIGCONT)


def test_trust_7_a_signal_that_was_ignored_at_the_start_stays_ignored(root, tmp_path):
    """As under `nohup`, and after `&` in a script."""
    mark, go_on = tmp_path / "mark", tmp_path / "go-on"
    script = f"touch {mark}; while [ ! -e {go_on} ]; do sleep 0.1; done"
    pipeline = tmp_path / "p.yaml"
    pipeline.write_bytes(
        toy.text(toy.document({"one": toy.task(script)}, {"data": ("STRING", "x")}))
    )
    command = [sys.executable, "-c", RUNNER, str(pipeline), "x", str(root), "60"]
    process = subprocess.Popen(
        ["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh", *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(mark.exists, 120)
    for number in (signal.SIGHUP, signal.SIGINT):
        process.send_signal(number)
    time.sleep(0.5)
    go_on.touch()
    assert process.communicate(timeout=120)[0] == "succeeded\n"
