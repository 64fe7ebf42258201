"""Trust 8: a disk that fails while it is read ends every stage at once, with the file's name."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import idxfiles
from tests.datasets import spots, write_dataset

SECONDS = 120


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    library = tmp_path_factory.mktemp("shim") / "eio.so"
    source = Path(__file__).parents[1] / "eio.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def failing(shim, monkeypatch, tmp_path):
    """Run a command on a disk that fails for one file beyond some bytes of it."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, after: int, *words: str) -> str:
        monkeypatch.setenv("EIO_NAME", name)
        monkeypatch.setenv("EIO_AFTER", str(after))
        monkeypatch.setenv("LD_PRELOAD", str(shim))
        command = [sys.executable, "-m", "idxpipe", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
        for variable in ("LD_PRELOAD", "EIO_NAME"):
            monkeypatch.delenv(variable)
        assert "Traceback" not in done.stderr
        assert "Input/output error" in done.stderr
        assert done.returncode == 5, done.stderr
        return done.stderr.partition("error: ")[2].splitlines()[0]

    return run


def test_trust_8_validate_and_convert_of_packed_and_plain_files(failing):
    arrays = idxfiles.make_arrays(10_000, 20)
    idxfiles.write_data_set(Path("packed"), arrays, gz=True)
    idxfiles.write_data_set(Path("plain"), arrays)
    for folder, suffix in (("packed", ".gz"), ("plain", "")):
        name = f"train-images-idx3-ubyte{suffix}"
        for command in (["validate"], ["convert", "--output", "made"]):
            said = failing("train-images", 3_000_000, *command, "--data", folder)
            assert said == f"{folder}/{name}: cannot be read"


def test_trust_8_readers_of_a_dataset(failing):
    write_dataset("records", *spots(40), 4, num_shards=1)
    for command in (
        ["records", "records"],
        ["export", "records", "--to", "idx", "--output", "idx"],
        ["train", "--records", "records", "--output", "model", "--model", "tiny"],
    ):
        assert failing("0.tfrecord", 100, *command) == "records/0.tfrecord: cannot be read"
    assert (
        failing("dataset.json", 0, "records", "records") == "records/dataset.json: cannot be read"
    )


def test_trust_8_a_training_does_not_call_its_checkpoints_damaged(failing):
    write_dataset("records", *spots(40), 4)
    train = ["train", "--records", "records", "--output", "out", "--model", "tiny"]
    train += ["--train-steps", "2", "--batch-size", "8"]
    subprocess.run([sys.executable, "-m", "idxpipe", *train], check=True, capture_output=True)
    evaluate = ["evaluate", "--model", "out/model", "--records", "records", "--output", "result"]
    assert failing("variables.data", 10, *evaluate) == (
        "out/model/variables/variables.data-00000-of-00001: cannot be read"
    )
    shutil.rmtree("out/model")
    said = failing("ckpt-2.data", 10, *train)
    assert said == "out/checkpoints/ckpt-2: checkpoint cannot be read"


def test_trust_8_import_does_not_call_its_files_damaged(failing):
    for number in range(6):
        Path(f"photos/{number % 2}").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (9, 9), np.uint8)
        Image.fromarray(pixels).save(f"photos/{number % 2}/{number}.png")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for path in sorted(Path("photos").rglob("*.png")):
            archive.write(path)
    Path("rows.csv").write_text("1,2,3,4,5\n" * 300_000)
    with_bad = ["--output", "made", "--skip-bad"]
    assert failing("3.png", 5, "import", "photos", *with_bad) == "photos/1/3.png: cannot be read"
    assert failing("photos.zip", 9, "import", "photos.zip", *with_bad) == (
        "photos.zip: cannot be read"
    )
    assert failing("rows.csv", 2_500_000, "import", "rows.csv", *with_bad) == (
        "rows.csv: cannot be read"
    )
    assert not Path("made").exists()
