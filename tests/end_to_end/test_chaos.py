"""Runs that are killed or stopped at random instants: `resume` goes on, and nothing differs.

`make chaos` does it often; `make test` a few times. Every child is a real `idxpipe run` of the
committed pipeline.yaml. IDXPIPE_CHAOS_SEED repeats the instants of an earlier round, as far as the
machine does.
"""

import os
import random
import re
import secrets
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from idxpipe.pipeline import state
from tests.end_to_end.chaos import (
    SIGNALS,
    artifacts,
    remote_artifacts,
    said,
    start,
    without_places,
    words,
)
from tests.idxfiles import make_arrays, write_data_set
from tests.resealed import edit
from tests.tally import tally

MANY = bool(os.environ.get("IDXPIPE_CHAOS"))
KILLS = 50 if MANY else 2
STOPS = 20 if MANY else 1
FEW = 10 if MANY else 1
SEED = int(os.environ.get("IDXPIPE_CHAOS_SEED") or secrets.randbits(32))
NOTHING_LEFT = "the run succeeded\n  to do:    idxpipe run --from STAGE runs a stage again\n"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a data set, a run of it in `right`, and how long that took."""
    folder = tmp_path_factory.mktemp("chaos")
    write_data_set(folder / "data", make_arrays(train=400, test=60))
    shutil.copy("pipeline.yaml", folder)
    print(f"\nIDXPIPE_CHAOS_SEED={SEED}")
    began = time.monotonic()
    child = start(folder, "right", "run", *words())
    assert child.wait() == 0, said(folder, "right")
    return folder, time.monotonic() - began


def left_behind(root):
    names = [str(p) for p in Path(root).rglob("*") if p.name.startswith((".idxpipe", "idxpipe-"))]
    return [name for name in names if "guard" not in name]


def again(root, changed=()):
    """Return the command that goes on: `resume`, or `run` if the run was killed before it was."""
    runs = Path(root, "runs")
    known = runs.is_dir() and any((run / "run.json").exists() for run in runs.iterdir())
    return ["resume"] if known else ["run", *words(**dict(changed))]


def test_trust_5_a_killed_run_goes_on_to_the_same_bytes(place):
    folder, seconds = place
    rng = random.Random(SEED)
    right = without_places(artifacts(folder / "right"))
    assert ("train", "model", "saved_model.pb") in right
    kills = finished = 0
    row = tally("kill -9 of a run")
    while kills < KILLS or (folder / "run").exists():
        child = start(folder, "run", *again(folder / "run"))
        if kills < KILLS:
            time.sleep(rng.uniform(0.2, seconds))
            child.kill()
        status = child.wait()
        # Killed with its last word: there is nothing to go on with.
        if status == 2 and said(folder, "run").endswith(NOTHING_LEFT):
            status = 0
        assert status in (0, -signal.SIGKILL), said(folder, "run")
        kills += status != 0
        row.tries = kills
        if status == 0:
            check_whole(folder, "run")
            shutil.rmtree(folder / "run")
            finished += 1
            row.survived = kills
    said(folder, "run")
    print(f"{kills} kills of a run, {finished} finished, all with the same bytes")


def test_a_stopped_training_loses_no_step(place):
    """A loop of the host takes many seconds here; the checkpoint is of the step under way."""
    folder, seconds = place
    rng = random.Random(SEED + 1)
    row = tally("a signal to a training")
    for number in range(STOPS):
        row.tries += 1
        root = f"stop{number}"
        changed = {"iterations": 10**6, "checkpoint_steps": 10**6, "train_steps": 10**6}
        child = start(folder, root, "run", *words(**changed), "--verbose")
        try:
            check_stop(rng, child, folder, root, seconds)
            row.survived += 1
        finally:
            child.kill()
        shutil.rmtree(folder / root)


def check_whole(folder, root):
    """Check that a run ended well, and made what the undisturbed one made."""
    right, found = (without_places(artifacts(folder / name)) for name in ("right", root))
    differ = [name for name in right.keys() | found.keys() if right.get(name) != found.get(name)]
    assert not differ, said(folder, root)
    assert not left_behind(folder / root)


def test_two_runs_at_once_in_one_root_make_one_result(place):
    folder, _ = place
    row = tally("two runs at once in a local root")
    for number in range(FEW):
        row.tries += 1
        root = f"both{number}"
        children = [start(folder, root, "run", *words(), "--quiet") for _ in range(2)]
        assert [child.wait() for child in children] == [0, 0], said(folder, root)
        check_whole(folder, root)
        records = [state.load(str(folder / root), i) for i in state.run_ids(str(folder / root))]
        made = Counter(n for r in records for n, t in r.tasks.items() if t.status == "succeeded")
        assert made.pop("validate") == 2
        assert set(made.values()) == {1}
        shutil.rmtree(folder / root)
        row.survived += 1


# A lease on s3:// is tested by itself, in tests/core/leases and test_leases.py.
@pytest.mark.parametrize("kind", ["gs", *(["s3"] if MANY else [])])
def test_two_runs_at_once_in_a_remote_root_make_one_result(place, kind, request):
    folder, _ = place
    bucket = request.getfixturevalue("one_gcs" if kind == "gs" else "s3")
    right = without_places(artifacts(folder / "right"))
    row = tally(f"two runs at once in a root on {kind}://")
    for number in range(FEW):
        row.tries += 1
        name, root = f"{kind}{number}", f"{bucket}/both{number}"
        children = [start(folder, name, "run", *words(), uri=root) for _ in range(2)]
        assert [child.wait() for child in children] == [0, 0], said(folder, name)
        found = without_places(remote_artifacts(root))
        differ = [n for n in right.keys() | found.keys() if right.get(n) != found.get(n)]
        assert not differ, said(folder, name)
        records = [state.load(root, run_id) for run_id in state.run_ids(root)]
        made = Counter(n for r in records for n, t in r.tasks.items() if t.status == "succeeded")
        assert (len(records), made.pop("validate")) == (2, 2)
        assert set(made.values()) == {1}, said(folder, name)
        left = [n for n in storage.list_files(root) if n.endswith((".lease", "heartbeat"))]
        assert not left
        row.survived += 1


def test_a_full_disk_stops_a_run_that_then_goes_on(place):
    """No file may grow beyond some length: EFBIG comes where ENOSPC would, for any user."""
    folder, _ = place
    rng = random.Random(SEED + 2)
    row = tally("a disk that takes no more")
    for number in range(FEW):
        row.tries += 1
        root, most = f"full{number}", rng.randrange(20_000, 250_000)
        child = start(folder, root, "run", *words(), "--quiet", most=most)
        assert child.wait() == 5, said(folder, root)
        assert "to do:" in said(folder, root)
        assert start(folder, root, *again(folder / root), "--quiet").wait() == 0, said(folder, root)
        check_whole(folder, root)
        shutil.rmtree(folder / root)
        row.survived += 1


def test_a_clock_that_went_back_loses_nothing(place):
    """All that earlier runs made is of tomorrow: its times, and the ids of the runs."""
    folder, _ = place
    row = tally("a clock that went back")
    for number in range(FEW):
        row.tries += 1
        root = f"clock{number}"
        shutil.copytree(folder / "right", folder / root, symlinks=True)
        tomorrow = time.time() + (number + 1) * 86_400
        for path in (folder / root).rglob("*"):
            os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
        (run_id,) = state.run_ids(str(folder / root))
        later = f"{int(run_id[:8]) + 10_000}{run_id[8:]}"
        os.rename(folder / root / "runs" / run_id, folder / root / "runs" / later)
        change = {"run_id": later, "started": f"{later[:4]}-{later[4:6]}-28T12:00:00.000+00:00"}
        edit(folder / root / "runs" / later / "run.json", lambda value: value.update(change))  # noqa: B023
        assert start(folder, root, "run", *words(), "--quiet").wait() == 0, said(folder, root)
        newest = min(state.run_ids(str(folder / root)))
        tasks = state.load(str(folder / root), newest).tasks
        ran = {name for name, task in tasks.items() if task.status == "succeeded"}
        assert ran == {"validate"}
        check_whole(folder, root)
        shutil.rmtree(folder / root)
        row.survived += 1


def check_stop(rng, child, folder, root, seconds):
    log = folder / f"{root}.log"
    wait_for("compiling the step", log, child)
    time.sleep(rng.uniform(0, seconds / 2))
    given = rng.choice(SIGNALS)
    asked = time.monotonic()
    child.send_signal(given)
    wait_for("stopping: train", log, child)
    answered = time.monotonic() - asked
    assert child.wait() != 0
    text = said(folder, root)
    stopped = re.search(r"stopped: +train: .* step (\d+) of \d+, checkpoint saved", text)
    assert stopped, text
    assert "idxpipe resume" in text
    (checkpoint,) = (folder / root).rglob("ckpt-*.index")
    assert checkpoint.name == f"ckpt-{stopped[1]}.index"
    print(f"{given.name} at step {stopped[1]}: answered after {answered:.2f} s")


def wait_for(words, log, child, limit=600.0):
    end = time.monotonic() + limit
    while words not in log.read_text():
        assert child.poll() is None, log.read_text()
        assert time.monotonic() < end
        time.sleep(0.01)
