"""Single stages that want the same place in a bucket: commands as a user types them."""

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.leases.holder import VARIABLE
from tests.end_to_end.chaos import COMMAND, SIGNALS
from tests.idxfiles import make_arrays, write_data_set

IMAGES, LABELS = "data/train-images-idx3-ubyte", "data/train-labels-idx1-ubyte"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set, and in `right` a conversion of it to two shards."""
    folder = tmp_path_factory.mktemp("leases")
    write_data_set(folder / "data", make_arrays(train=400, test=20))
    with start(folder, "convert", "--num-shards", "2", "--output", "right") as child:
        assert ended(child)[0] == 0
    return folder


@pytest.fixture(params=["gs", "s3"])
def output(request, monkeypatch):
    monkeypatch.setenv(VARIABLE, "2")
    return f"{request.getfixturevalue('one_gcs' if request.param == 'gs' else 's3')}/out"


@contextmanager
def start(folder, command, *words):
    source = ["--images", IMAGES, "--labels", LABELS] if command == "convert" else []
    child = subprocess.Popen(
        [COMMAND, command, *source, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGCONT)
        child.kill()
        child.communicate()


def ended(child):
    """Return how a command ended, and what it said."""
    said = child.communicate()[1]
    assert "Traceback" not in said, said
    return child.returncode, said


def many(folder, output):
    """Start a conversion to so many shards that it can be met in the middle."""
    return start(folder, "convert", "--num-shards", "200", "--output", output)


def in_the_middle(child, output):
    while len(storage.list_files(output)) < 10:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.01)
    return child


def check_right(folder, output):
    """Check that the dataset is the one of two shards, byte for byte, and nobody holds it."""
    right = {path.name: path.read_bytes() for path in (folder / "right").iterdir()}
    assert {name: storage.read(f"{output}/{name}") for name in right} == right
    assert not storage.exists(f"{output}.lease")


def test_a_conversion_that_is_killed_is_followed(folder, output):
    with many(folder, output) as child:
        in_the_middle(child, output).kill()
        child.wait()
    with start(folder, "convert", "--num-shards", "2", "--output", output) as child:
        code, said = ended(child)
    assert code == 0, said
    assert "is no longer renewed" in said
    check_right(folder, output)
    assert set(storage.list_files(output)) == set(os.listdir(folder / "right"))


def test_trust_2_a_conversion_that_was_suspended_publishes_nothing_over_its_follower(
    folder, output
):
    with many(folder, output) as suspended:
        in_the_middle(suspended, output).send_signal(signal.SIGSTOP)
        with start(folder, "convert", "--num-shards", "2", "--output", output) as follower:
            code, said = ended(follower)
        assert code == 0, said
        suspended.send_signal(signal.SIGCONT)
        code, said = ended(suspended)
    assert code == 6, said
    assert "another process has taken this place over" in said
    check_right(folder, output)


def test_trust_2_of_two_trainings_with_different_seeds_one_is_refused(folder, one_gcs):
    place = f"{one_gcs}/trained"
    words = ["--records", "right", "--output", place, "--model", "tiny", "--train-steps", "40"]
    words += ["--batch-size", "8", "--accelerator", "cpu", "--iterations", "20"]
    with (
        start(folder, "train", *words, "--seed", "1") as one,
        start(folder, "train", *words, "--seed", "2") as two,
    ):
        found = {1: ended(one), 2: ended(two)}
    (winner,) = (seed for seed, (code, _) in found.items() if code == 0)
    code, said = found[3 - winner]
    assert code == 3, said
    assert "recipe" in said
    card = json.loads(storage.read(f"{place}/model/model.json"))
    assert card["config"]["seed"] == winner


def test_ctrl_c_ends_the_wait(folder, one_gcs, monkeypatch):
    monkeypatch.setenv(VARIABLE, "3600")
    output = f"{one_gcs}/out"
    with (
        storage.lock(output),
        start(folder, "convert", "--num-shards", "2", "--output", output) as child,
    ):
        while "waiting for another process" not in (line := child.stderr.readline()):
            assert line
        assert f"process {os.getpid()} on " in line
        child.send_signal(SIGNALS[0])
        code, said = ended(child)
    assert code == 130, said
    assert storage.list_files(one_gcs) == {}
