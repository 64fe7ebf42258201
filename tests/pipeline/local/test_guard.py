"""The guard in this process; what it is for is tested with real kills in test_local.py."""

import contextlib
import os
import threading
import time

import pytest

from idxpipe.pipeline.local import guard


@pytest.fixture
def pipe():
    theirs, ours = os.pipe()
    yield theirs, ours
    with contextlib.suppress(OSError):  # some tests close it themselves
        os.close(ours)
    for thread in threading.enumerate():
        if "_watch" in thread.name:
            # Or the next pipe, of the same number, would be read by it.
            thread.join(60)
            assert not thread.is_alive()
    os.close(theirs)


def later(action, *arguments, once=None):
    """Act in a moment; with `once`, as soon as there is this file."""

    def wait_and_act():
        while once and not once.exists():
            time.sleep(0.02)
        action(*arguments)

    threading.Timer(0.3, wait_and_act).start()


def run(pipe, scratch, script, grace="60"):
    return guard.main([str(pipe[0]), grace, str(scratch), "sh", "-c", script])


@pytest.mark.parametrize(
    ("script", "code"), [(":", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
)
def test_exit_code(pipe, tmp_path, script, code):
    assert run(pipe, tmp_path, script) == code


def test_command_that_does_not_exist(pipe, tmp_path, capsys):
    arguments = [str(pipe[0]), "1", str(tmp_path), "/no/such"]
    assert guard.main(arguments) == guard.CANNOT_START
    assert capsys.readouterr().err.startswith("error: /no/such: command cannot be started\n")


def test_order_to_terminate_leaves_time_to_clean_up(pipe, tmp_path):
    later(os.write, pipe[1], guard.TERMINATE, once=tmp_path / "ready")
    trap = f"trap 'sleep 0.2; touch {tmp_path}/clean; exit 7' TERM"
    assert run(pipe, tmp_path, f"{trap}; touch {tmp_path}/ready; sleep 30 & wait") == 7
    assert (tmp_path / "clean").exists()


def test_child_may_outlive_its_shell_to_clean_up(pipe, tmp_path):
    later(os.write, pipe[1], guard.TERMINATE, once=tmp_path / "ready")
    trap = f"trap 'sleep 0.3; touch {tmp_path}/clean; exit' TERM"
    inner = f"{trap}; touch {tmp_path}/ready; sleep 30 & wait"
    assert run(pipe, tmp_path, f'sh -c "{inner}"; :') == 143
    assert (tmp_path / "clean").exists()


def deaf(folder):
    return f"trap '' TERM; touch {folder}/ready; while :; do sleep 0.1; done"


def test_grace_is_bounded(pipe, tmp_path):
    later(os.write, pipe[1], guard.TERMINATE, once=tmp_path / "ready")
    assert run(pipe, tmp_path, deaf(tmp_path), grace="0.5") == 137


@pytest.mark.parametrize("first", [b"", guard.TERMINATE])
def test_order_to_kill(pipe, tmp_path, first):
    later(os.write, pipe[1], first + guard.KILL, once=tmp_path / "ready")
    started = time.monotonic()
    assert run(pipe, tmp_path, deaf(tmp_path), grace="600") == 137
    assert time.monotonic() - started < 300


def test_end_of_the_runner_ends_the_command_and_its_scratch(pipe, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    later(os.close, pipe[1])
    assert run(pipe, scratch, "sleep 30") == 143
    assert not scratch.exists()
