"""An import that is interrupted or killed."""

import os
import signal
import subprocess
import sys
import time

from tests.intake.pictures import write_classes

PROGRAM = """
import os
import sys
from idxpipe.components.intake import pool
from idxpipe.pipeline.cli.main import main
pool._ALONE, pool._SAY_SECONDS = 0, -1.0
# Some have not yet started when others have begun to work.
os.sched_getaffinity = lambda pid: range(4)
if __name__ == "__main__":
    sys.exit(main(["import", "a", "--output", "out"]))
"""


def start(folder):
    write_classes(folder / "a", count=2000, shape=(28, 28))
    (folder / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Until the first images are decoded.
    return process, process.stderr.readline()


def gone(group):
    """Whether no process of a group is left, once those that were just starting have noticed."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_ctrl_c_leaves_nothing_and_prints_no_traceback(tmp_path):
    process, first = start(tmp_path)
    assert first.startswith("decoded")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"
    assert sorted(os.listdir(tmp_path)) == ["a", "program.py"]
    assert gone(process.pid)


def test_killed_it_leaves_no_data_set_and_the_next_one_is_whole(tmp_path):
    process, _ = start(tmp_path)
    process.kill()
    process.communicate(timeout=300)
    assert not (tmp_path / "out").exists()
    assert gone(process.pid)
    again = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "3600 to train on, 400 to test on" in again.stdout
