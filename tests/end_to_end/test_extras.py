"""Each extra of setup.py alone, in a venv that holds nothing else: `make test-extras`.

What idxpipe needs is fetched, with uv where it is there: 15 GB on disk.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from email import message_from_bytes
from zipfile import ZipFile

import pytest

from idxpipe.pipeline.cli.commands import COMMANDS
from tests.emulators import free_port
from tests.end_to_end.test_installed import WORDS
from tests.idxfiles import make_arrays, write_data_set

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "IDXPIPE_TEST_EXTRAS" not in os.environ, reason="installs 15 GB: make test-extras"
    ),
]
TRAIN = "train --records RECORDS/train --output made --train-steps 2 --batch-size 8"
CONVERT = "convert --data DATA --output made"
# A command that an extra is for; after it the exit code and what is said, where the command ends
# for another reason than that a package is missing.
FOR: dict[str, tuple[str, int, str]] = {
    "train": (TRAIN, 0, ""),
    "import": ("import PHOTOS --output made", 0, ""),
    "pipeline": ("run --data DATA --until convert-test", 0, ""),
    "gcp": ("compile --accelerator gpu-t4 --image a/b:c --output made.yaml", 0, ""),
    "array-record": (f"{CONVERT} --file-format array_record", 0, ""),
    "dask": (f"{CONVERT} --runner DaskRunner", 0, ""),
    "s3": ("validate --data S3", 0, ""),
    "tpu-check": ("tpu-check --topology v5e:2x2 --batch-size 64", 0, ""),
    "gpu": (TRAIN, 0, ""),
    "tpu": (f"{TRAIN} --accelerator tpu", 5, "no TPU on this machine"),
    "all": ("run --data DATA --set train_steps=2 --set batch_size=8", 0, ""),
}
# What `make lock` pins for this project's own tests, and TensorBoard, which goes on for ever.
OTHERS = {"test", "tensorboard"}


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def install(folder, what):
    """Install into a venv of its own, which is made if it is not there; return its commands."""
    uv, python = shutil.which("uv"), folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    # A checkout on the path would count as installed.
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([*pip, "--quiet", what], check=True, env=environment)
    return folder / "bin"


@pytest.fixture(scope="module")
def plain(wheel, tmp_path_factory):
    return install(tmp_path_factory.mktemp("plain") / "venv", str(wheel))


@pytest.fixture(scope="module")
def places(plain, tmp_path_factory):
    """What stands in the words of FOR."""
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder / "mine", make_arrays(train=40, test=20))
    from PIL import Image

    for n in range(20):
        (folder / "photos" / str(n % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), n).save(folder / "photos" / str(n % 2) / f"{n}.png")
    made = run(plain, folder, "convert", "--data", "mine", "--output", "records")
    assert made.returncode == 0, made.stderr
    return {
        "DATA": folder / "mine",
        "PHOTOS": folder / "photos",
        "RECORDS": folder / "records",
    }


def run(commands, folder, *words):
    return subprocess.run(
        [commands / "idxpipe", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", "HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
    )


def filled(command, places):
    for name, path in places.items():
        command = command.replace(name, str(path))
    return command.split()


def test_each_extra_is_tried(wheel):
    archive = ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    extras = message_from_bytes(archive.read(name)).get_all("Provides-Extra")
    assert set(extras) == FOR.keys() | OTHERS


@pytest.mark.parametrize("extra", FOR)
def test_alone_it_is_enough_for_what_it_is_for(extra, wheel, places, s3, tmp_path):
    from idxpipe.components.core import storage

    for path in places["DATA"].iterdir():
        storage.write(f"{s3}/{path.name}", path.read_bytes())
    commands = install(tmp_path / "venv", f"idxpipe[{extra}] @ file://{wheel}")
    command, code, said = FOR[extra]
    done = run(commands, tmp_path, *filled(command, {**places, "S3": s3}))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_without_an_extra_each_command_names_what_it_lacks(command, plain, places, tmp_path):
    words = {
        **WORDS,
        "evaluate": filled("--records RECORDS/test --model nowhere --output made", places),
        "import": filled("PHOTOS --output made", places),
        "run": filled("--data DATA --until validate", places),
        "train": filled(TRAIN, places)[1:],
    }
    done = run(plain, tmp_path, command, *words.get(command, []))
    assert done.returncode in {0, 2, 3, 5, 6}, done.stderr
    assert "Traceback" not in done.stderr
    if "is not installed" in done.stderr:
        assert re.search(r"to do: +pip install 'idxpipe\[[a-z0-9-]+\]'", done.stderr), done.stderr


@pytest.mark.parametrize("extra", ["array-record", "dask", "pipeline", "s3"])
def test_what_is_named_is_what_helps(extra, wheel, places, s3, tmp_path):
    """By the command that the error names, into the venv that holds the wheel."""
    from idxpipe.components.core import storage

    for path in places["DATA"].iterdir():
        storage.write(f"{s3}/{path.name}", path.read_bytes())
    commands = install(tmp_path / "venv", str(wheel))
    words = filled(FOR[extra][0], {**places, "S3": s3})
    done = run(commands, tmp_path, *words)
    assert done.returncode == 5, done.stderr
    (named,) = re.findall(r"to do: +pip install '(idxpipe\[[a-z0-9-]+\])'", done.stderr)
    install(tmp_path / "venv", named)
    done = run(commands, tmp_path, *words)
    assert done.returncode == 0, done.stderr


def test_tensorboard_alone_shows_what_was_trained_elsewhere(wheel, places, tmp_path):
    all_of_it = install(tmp_path / "all", f"idxpipe[all] @ file://{wheel}")
    done = run(all_of_it, tmp_path, *filled(FOR["all"][0], places))
    assert done.returncode == 0, done.stderr
    commands = install(tmp_path / "venv", f"idxpipe[tensorboard] @ file://{wheel}")
    port = free_port()
    server = subprocess.Popen(
        [commands / "idxpipe", "tensorboard", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        start_new_session=True,
    )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/data/runs") as answer:
                    shown = json.load(answer)
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.2)
        assert shown
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait()
