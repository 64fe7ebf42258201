"""Trust 6: what killed processes left in TMPDIR goes with the next one, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from idxpipe.components.core.stores import temporary

LEAVE = (
    "import sys, time\n"
    "from idxpipe.components.core.stores.temporary import make_folder\n"
    "print(make_folder('left')[0], flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "_swept", set())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_trust_6_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(base):
    others = [base / "idxpipe-old-version", base / "somebody.else"]
    for other in others:
        other.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE], stdout=subprocess.PIPE, text=True
    ) as process:
        left = process.stdout.readline().strip()
        try:
            with temporary.temporary_folder("mine"):
                assert os.path.isdir(left)
        finally:
            process.send_signal(signal.SIGKILL)
    assert os.path.isdir(left)
    temporary._swept.clear()
    with temporary.temporary_folder("mine") as mine:
        assert sorted(base.iterdir()) == sorted([*others, base / os.path.basename(mine)])
    assert not os.path.exists(mine)


def test_a_folder_whose_holder_died_stays_while_another_process_has_it_open(base):
    """As the command of a stage has the scratch folder, when its runner was killed."""
    folder, held = temporary.make_folder("task")
    holder = subprocess.Popen(["sleep", "600"], pass_fds=[held])
    os.close(held)
    temporary._sweep(str(base))
    assert os.path.isdir(folder)
    holder.kill()
    holder.wait()
    temporary._sweep(str(base))
    assert not os.path.exists(folder)
