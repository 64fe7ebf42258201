"""From a wheel, in a venv and a folder that hold nothing else.

What idxpipe needs is shared with the venv of the tests, by a .pth file.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from idxpipe.pipeline.cli.commands import COMMANDS
from tests.emulators import ABSENT
from tests.idxfiles import make_arrays, write_data_set

# What `pip install idxpipe` without an extra does not bring.
EXTRAS = ("tensorflow", "keras", "PIL", "kfp", "yaml", "tensorboard", "s3fs", "jax")
NEED_EXTRAS = {"compile", "plan", "run", "train"}
SMALL = ("train_steps=5", "batch_size=16", "num_shards=2")
# All that a command requires, so that it gets as far as its own work.
WORDS = {
    "accept": ["evaluate"],
    "cancel": ["1"],
    "completion": ["bash"],
    "convert": ["--data", "nowhere", "--output", "made"],
    "diff": ["a", "b"],
    "doctor": ["--root", "gs://bucket/root", "--project", "p", "--region", "us-central1"],
    "evaluate": ["--records", "nowhere", "--model", "nowhere", "--output", "made"],
    "export": ["nowhere", "--to", "npy", "--output", "made"],
    "fetch": ["mnist", "--mirror", "http://127.0.0.1:1", "--output", "/proc/nowhere"],
    "import": ["nowhere", "--output", "made"],
    "log": ["latest", "train"],
    "logs": ["1"],
    "plan": ["--minutes", "train=1"],
    "predict": ["--model", "latest", "nowhere"],
    "records": ["nowhere"],
    "report": ["a", "b"],
    "rm": ["latest"],
    "schedule": ["--list"],
    "status": ["1"],
    "pin": ["latest"],
    "unpin": ["latest"],
    "sweep": ["--set", "seed=1,2"],
    "tpu-check": ["--topology", "v5e:2x2"],
    "train": ["--records", "nowhere", "--output", "made"],
    "validate": ["--data", "nowhere"],
    "wait": ["1"],
}


@pytest.fixture(scope="module")
def bin_folder(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    # A checkout on the path would count as installed.
    env = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], env=env, check=True)
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "shared.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


@pytest.fixture
def idxpipe(bin_folder, tmp_path):
    def run(*words):
        env = {**os.environ, "PYTHONPATH": ABSENT, "HOME": str(tmp_path)}
        return subprocess.run(
            [str(bin_folder / "idxpipe"), *map(str, words)],
            cwd=tmp_path,
            env=env,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_all_stages_run_from_an_empty_folder(idxpipe, bin_folder, tmp_path):
    where = "import idxpipe; print(idxpipe.__file__)"
    python = [str(bin_folder / "python"), "-c", where]
    env = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(python, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert Path(done.stdout).is_relative_to(bin_folder.parent)

    done = idxpipe("run")
    assert done.returncode == 2
    assert "--data FOLDER" in done.stderr
    assert "idxpipe fetch mnist" in done.stderr
    assert "go on:" not in done.stderr
    assert not (tmp_path / "out").exists()

    write_data_set(tmp_path / "mine", make_arrays(train=200, test=50))
    settings = [word for setting in SMALL for word in ("--set", setting)]
    done = idxpipe("run", "--data", "mine", *settings)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    assert idxpipe("show").returncode == 0
    again = idxpipe("run", "--from", "evaluate")
    assert again.returncode == 0, again.stderr
    assert idxpipe("compile").returncode == 0
    assert (tmp_path / "pipeline.yaml").exists()


# Each command in a fork of one process, from the same entry as the script's: starting Python forty
# times takes longer than all that they do.
EACH = """
import json, os, sys
{lines}
from idxpipe.pipeline.cli.main import main
found = {{}}
for command, words in json.load(sys.stdin).items():
    child = os.fork()
    if not child:
        said = os.open(command, os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1), os.dup2(said, 2)
        try:
            code = main([command, *words])
        except SystemExit as exit:
            code = exit.code
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code or 0)
    found[command] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
json.dump(found, sys.stdout)
"""


@pytest.mark.parametrize("alone", [False, True], ids=["all", "without an extra"])
def test_each_command_gets_as_far_as_its_own_answer(alone, idxpipe, bin_folder, tmp_path):
    write_data_set(tmp_path / "mine", make_arrays(train=20, test=10))
    assert idxpipe("convert", "--data", "mine", "--output", "some").returncode == 0
    train = ["--records", "some/train", "--output", "made", "--train-steps", "1"]
    words = {**WORDS, "train": train, "run": ["--data", "mine", "--until", "validate"]}
    lines = [f"sys.modules[{name!r}] = None" for name in EXTRAS] if alone else []
    done = subprocess.run(
        [str(bin_folder / "python"), "-c", EACH.format(lines="\n".join(lines))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ABSENT, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        input=json.dumps({command: words.get(command, []) for command in sorted(COMMANDS)}),
    )
    faults = []
    for command, code in json.loads(done.stdout).items():
        said = (tmp_path / command).read_text()
        named = "idxpipe[all]" in said or not alone or command not in NEED_EXTRAS
        fits = code in {0, 2, 3, 5, 6} and named
        if not fits or "usage: idxpipe" in said or "Traceback" in said:
            faults.append(f"{command}: {code}: {said}")
    assert not faults, "\n\n".join(faults)
