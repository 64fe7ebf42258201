import sys
import threading
from pathlib import Path

import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.pipeline.local import venvs
from idxpipe.pipeline.local.cache import lock
from idxpipe.pipeline.local.process import Stopped
from idxpipe.pipeline.spec.graph import Container

SCRIPT = 'python3 -m pip install --quiet \'six==1.17.0\' && "$0" "$@"'


def container(script=SCRIPT):
    return Container("python:3.11", ("sh", "-c", script, "sh", "-ec", "the program"), (), {})


@pytest.fixture
def prepare(tmp_path):
    """Prepare an environment, with commands that are only written down."""
    commands = []

    def run(command, programs):
        commands.append((list(command), programs))
        return 0

    def prepare(given, run=run, stopped=None, waiting=lambda _: None):
        stopped = stopped or threading.Event()
        return venvs.prepare(given, str(tmp_path), run, stopped=stopped, waiting=waiting)

    prepare.commands = commands
    return prepare


def test_a_component_without_packages_keeps_this_interpreter(prepare):
    assert prepare(container('python3 -m kfp.dsl.executor_main "$@"')) is None
    assert prepare.commands == []


def test_it_is_made_once_for_a_set_of_packages(prepare):
    programs = prepare(container())
    (make, _), install = prepare.commands
    assert make == [sys.executable, "-P", "-m", "venv", str(Path(programs).parent)]
    # Of the script only the installation runs: what follows it is `true`.
    assert install == (["sh", "-c", SCRIPT, "true"], programs)
    assert prepare(container()) == programs
    assert len(prepare.commands) == 2
    assert prepare(container(SCRIPT.replace("six", "toml"))) != programs


def test_one_that_is_half_made_is_never_used(prepare, tmp_path):
    def fails(command, programs):
        return int("sh" in command)

    with pytest.raises(SetupError, match="no environment to run in"):
        prepare(container(), run=fails)
    assert not list(tmp_path.glob("*.done"))
    prepare(container())
    assert len(prepare.commands) == 2


def test_waiting_for_another_run_is_said_and_can_be_stopped(prepare, tmp_path):
    programs = prepare(container())
    held = Path(programs).parent.with_suffix(".lock")
    stopped, told = threading.Event(), []

    def waiting(what):
        told.append("waits")
        stopped.set()

    with (
        lock(str(held), threading.Event(), lambda _: None),
        pytest.raises(Stopped),
    ):
        prepare(container(), stopped=stopped, waiting=waiting)
    assert told == ["waits"]
