"""Trust 15: sparse files of 3 GB are refused by their length, whoever reads them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline import state
from idxpipe.pipeline.local import cache
from tests.datasets import spots, write_card, write_dataset

HUGE = 3 << 30
# A part of what Python, NumPy and the command line take is 40 MB.
MOST_MEGABYTES = 100
MEASURE = (
    "import sys\n"
    "from idxpipe.pipeline.cli.main import main\n"
    "code = main(sys.argv[1:])\n"
    "peak = open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]\n"
    "print('peak', peak, file=sys.stderr)\n"
    "sys.exit(code)\n"
)


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """Run a command in little memory; it must refuse a file for its length."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> None:
        command = [sys.executable, "-c", MEASURE, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert str(HUGE) in done.stderr, done.stderr
        assert done.returncode == 3
        assert int(done.stderr.rpartition("peak ")[2]) < MOST_MEGABYTES << 10

    return run


def grow(path) -> None:
    with open(path, "r+b") as stream:
        stream.truncate(HUGE)


def test_trust_15_a_manifest(refused):
    write_dataset("records", *spots(8), 4)
    grow("records/dataset.json")
    refused("records", "records")
    refused("train", "--records", "records", "--output", "model")


def test_trust_15_a_card_and_a_picture(refused):
    Path("model").mkdir()
    model = write_card("model", image_shape=[28, 28])
    Path("x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    grow("x.png")
    refused("predict", "--model", str(model), "x.png")
    Path("photos/a").mkdir(parents=True)
    shutil.move("x.png", "photos/a/x.png")
    refused("import", "photos", "--output", "made")
    grow("model/model.json")
    refused("predict", "--model", str(model), "photos/a/x.png")


def test_trust_15_a_record_a_pipeline_and_a_report(refused):
    folder = Path("out/runs/20260101-000000000-aaaa")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"schema_version": state.SCHEMA_VERSION}))
    grow(folder / "run.json")
    refused("show", "--root", "out")
    Path("huge").write_bytes(b"{")
    grow("huge")
    refused("run", "--pipeline", "huge", "--root", "other")


def test_trust_15_a_task_is_not_read(tmp_path):
    (tmp_path / "task.json").write_bytes(b"{")
    grow(tmp_path / "task.json")
    assert cache.find(str(tmp_path)) is None
