"""The session of docs/runs.md: every line, one after the other, as a shell runs them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.idxfiles import write_data_set

pytestmark = pytest.mark.slow

PAGE = Path("docs/runs.md")


def session():
    """Return the commands of the first section."""
    text = PAGE.read_text().partition("## Pages")[0]
    return re.findall(r"^ {4}(idxpipe .*)$", text, re.MULTILINE)


def test_every_line_of_the_session_runs(tmp_path):
    write_data_set(tmp_path / "data" / "mnist", gz=True)
    shutil.copy("pipeline.yaml", tmp_path)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    said = {}
    for line in session():
        done = subprocess.run(
            ["bash", "-c", line],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout + done.stderr
    assert len(said) >= 18
    plan = said["idxpipe run --set train_steps=60 --set learning_rate=0.02 --plan"]
    assert "learning_rate the recipe's -> 0.02" in plan
    run = said["idxpipe run --set train_steps=60 --set learning_rate=0.02"]
    assert "runs: learning_rate the recipe's -> 0.02" in run
    assert "top_k" in said["idxpipe diff latest~2 latest"]
    assert "pinned" in said["idxpipe pin latest"]
    assert "freed" in said["idxpipe clean --keep-last 2 --failed --yes"]
