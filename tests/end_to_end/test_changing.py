"""IDX files that are replaced, written or appended to while a stage reads them.

What comes of it is of one of the files, or an error: never a mix of two.
"""

import json
import os
import random
import secrets
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from tests.end_to_end.chaos import COMMAND
from tests.idxfiles import idx_bytes
from tests.tally import tally

MANY = bool(os.environ.get("IDXPIPE_CHAOS"))
TRIES = 10 if MANY else 3
SEED = int(os.environ.get("IDXPIPE_CHAOS_SEED") or secrets.randbits(32))
COUNT = 60_000
# How each image begins, by which one sees whose it is.
MARKS = (b"\xfaONE\xfa", b"\xfaTWO\xfa")
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two images files of one shape, and labels."""
    folder = tmp_path_factory.mktemp("changing")
    rng = np.random.default_rng(0)
    for number, mark in enumerate(MARKS):
        images = rng.integers(0, 250, (COUNT, 28, 28), dtype=np.uint8)
        images.reshape(COUNT, -1)[:, : len(mark)] = np.frombuffer(mark, np.uint8)
        (folder / f"images{number}").write_bytes(idx_bytes(images))
    (folder / LABELS).write_bytes(idx_bytes((np.arange(COUNT) * 7 % 10).astype(np.uint8)))
    print(f"\nIDXPIPE_CHAOS_SEED={SEED}")
    return folder


def replace(folder, number):
    """As `mv` does: whoever has the file open goes on reading the old one."""
    copy = folder / "copy"
    copy.write_bytes((folder / f"images{number}").read_bytes())
    copy.replace(folder / IMAGES)


def overwrite(folder, number):
    """As `cp` does: from the beginning to the end, into the same file."""
    with (
        open(folder / f"images{number}", "rb") as source,
        open(folder / IMAGES, "r+b") as stream,
    ):
        while block := source.read(4 << 20):
            stream.write(block)
            stream.flush()


def append(folder, number):
    with open(folder / IMAGES, "ab") as stream:
        stream.write(bytes(1000))


@contextmanager
def changing(folder, how, rng, again):
    """Change the file after some time, once or again and again, until the block ends."""
    ended = threading.Event()

    def change():
        number = 1
        while not ended.wait(rng.uniform(0.01, 0.2 if again else 4)):
            how(folder, number)
            number = 1 - number
            if not again:
                break

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def run(folder, *words):
    return subprocess.run(
        [COMMAND, *words, "--json", "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def check(folder, done, *, whole):
    """Check that it was refused in our words, or came to one of the files."""
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        assert done.returncode in (3, 6), done.stderr
        assert "to do:" in done.stderr or "findings" in done.stdout, done.stderr
        return False
    whole(json.loads(done.stdout))
    return True


CASES = [(how, again) for how in (replace, overwrite, append) for again in (False, True)]


@pytest.mark.parametrize("seed", [-1, 5], ids=["in order", "shuffled"])
def test_trust_3_a_conversion_of_a_file_that_changes(place, seed):
    rng = random.Random(SEED + seed)
    row = tally(
        f"a file that changes while it is converted, {'shuffled' if seed > 0 else 'in order'}"
    )
    words = ("convert", "--images", IMAGES, "--labels", LABELS, "--num-shards", "4")
    kept = 0
    for number in range(TRIES):
        row.tries += 1
        output = f"out{number}{seed}"
        replace(place, 0)
        how, again = CASES[number % len(CASES)]
        with changing(place, how, rng, again):
            done = run(place, *words, "--shuffle-seed", str(seed), "--output", output)

        def whole(found, output=output):
            shards = b"".join(path.read_bytes() for path in place.joinpath(output).glob("*-of-*"))
            assert sorted(shards.count(mark) for mark in MARKS) == [0, COUNT]

        kept += check(place, done, whole=whole)
        if done.returncode:
            assert not place.joinpath(output, "dataset.json").exists()
        row.survived += 1
    print(f"{kept} of {TRIES} conversions came to one of the files, the others were refused")


def test_trust_3_a_validation_of_a_file_that_changes(place):
    rng = random.Random(SEED)
    row = tally("a file that changes while it is validated")
    for name in (IMAGES, LABELS):
        other = name.replace("train", "t10k")
        source = "images0" if name == IMAGES else name
        if not (place / other).exists():
            os.link(place / source, place / other)
    contents = [(place / f"images{number}").read_bytes() for number in (0, 1)]
    allowed = {f"{len(data)}-{google_crc32c.value(data):08x}" for data in contents}
    kept = 0
    for number in range(TRIES):
        row.tries += 1
        how, again = CASES[number % len(CASES)]
        replace(place, 0)
        with changing(place, how, rng, again):
            done = run(place, "validate", "--data", ".", "--report", "report.json")

        def whole(found):
            report = json.loads(Path(place, "report.json").read_text())
            assert report["files"]["train_images"]["fingerprint"] in allowed

        kept += check(place, done, whole=whole)
        row.survived += 1
    print(f"{kept} of {TRIES} validations came to one of the files, the others were refused")
