"""Kill -9 at random instants: the training goes on and ends with the same bytes.

`make chaos` kills twenty real `idxpipe train` processes. `make test` kills eight forks of one that
has imported TensorFlow and not yet started it: importing takes longer than all that they do.
IDXPIPE_CHAOS_SEED repeats the instants of an earlier run, as far as the machine does.
"""

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from idxpipe.components.core.stores.local import TEMPORARY
from tests.tally import tally

STEPS = 60
KEEP = 2
SETTINGS = {
    "accelerator": "cpu",
    "batch_size": 8,
    "train_steps": STEPS,
    # Half of the time goes into checkpoints, so that many a kill meets one half written.
    "iterations": 2,
    "checkpoint_steps": 2,
    "keep_checkpoints": KEEP,
    "shuffle_buffer": 30,
}
REAL = bool(os.environ.get("IDXPIPE_CHAOS"))
KILLS = 20 if REAL else 6
if not REAL:
    # Of its checkpoints of 13 MB more are made than killed.
    SETTINGS["model"] = "tiny"
pytestmark = pytest.mark.slow


def test_kills(records, tmp_path):
    seed = int(os.environ.get("IDXPIPE_CHAOS_SEED") or secrets.randbits(32))
    row = tally("kill -9 of a training", KILLS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.test_kills", records, str(tmp_path), str(seed)],
        check=False,
        capture_output=True,
        text=True,
        # Threads do not survive a fork, and NumPy's would be the only ones.
        env=os.environ | {"TMPDIR": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"IDXPIPE_CHAOS_SEED={seed}\n{done.stderr}"
    print(done.stdout)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("idxpipe-")]
    row.survived = KILLS


def main(records, folder, seed):
    rng = random.Random(int(seed))
    start = start_process if REAL else start_fork()

    def begin(name):
        words = ["train", "--records", records, "--output", f"{folder}/{name}"]
        for key, value in SETTINGS.items():
            words += [f"--{key.replace('_', '-')}", str(value)]
        return start(words, f"{folder}/{name}.log")

    began = time.monotonic()
    child = begin("right")
    log = Path(f"{folder}/right.log")
    while "from step 0" not in log.read_text():
        assert time.monotonic() - began < 300, log.read_text()
        time.sleep(0.01)
    startup = time.monotonic() - began
    assert wait(child) == 0, log.read_text()
    seconds = time.monotonic() - began
    right = results(f"{folder}/right")

    kills = finished = resumed = 0

    def to_be_killed():
        # How many go on depends on how busy the machine was while the time was taken.
        return kills < KILLS or (resumed <= KILLS / 4 and kills < 4 * KILLS)

    while to_be_killed() or os.path.exists(f"{folder}/run"):
        child = begin("run")
        # Any instant of the process, and in every other turn one at which it trains.
        if kills % 2:
            log = Path(f"{folder}/run.log")
            while "from step" not in log.read_text() and runs(child):
                time.sleep(0.01)
            time.sleep(rng.uniform(0, seconds - startup))
        else:
            time.sleep(rng.uniform(0, seconds))
        if to_be_killed():
            os.kill(child, signal.SIGKILL)
        status = wait(child)
        log = Path(f"{folder}/run.log").read_text()
        assert status in (0, -signal.SIGKILL), log
        kills += status != 0
        resumed += "from step 0 " not in log and "from step" in log
        if status == 0:
            differ = [k for k, v in results(f"{folder}/run").items() if v != right[k]]
            assert not differ, (differ, log)
            shutil.rmtree(f"{folder}/run")
            finished += 1
    print(f"{kills} kills, {resumed} resumed, {finished} trainings finished with the same bytes")
    assert resumed > KILLS / 4


def start_process(words, log):
    with open(log, "wb") as stream:
        command = [str(Path(sys.executable).with_name("idxpipe")), *words]
        return subprocess.Popen(command, stderr=stream, stdout=stream).pid


def start_fork():
    from idxpipe.components.core.tf_host import quiet_import

    with quiet_import():
        import tensorflow  # noqa: F401

    def start(words, log):
        Path(log).write_bytes(b"")
        assert len(os.listdir("/proc/self/task")) == 1
        child = os.fork()
        if not child:
            stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(stream, 1)
            os.dup2(stream, 2)
            from idxpipe.pipeline.cli.main import main

            os._exit(main(words))
        return child

    return start


def runs(child):
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def wait(child):
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def results(folder):
    """Everything that must not differ, as bytes; and that nothing else was left behind."""
    model = [path for path in Path(folder, "model").rglob("*") if path.is_file()]
    names = [str(path.relative_to(folder)) for path in model]
    assert {"model/saved_model.pb", "model/model.json"} <= set(names)
    names.append(f"checkpoints/ckpt-{STEPS}.data-00000-of-00001")
    left = {name.partition(".")[0] for name in os.listdir(f"{folder}/checkpoints")}
    assert left == {"recipe", "checkpoint", f"ckpt-{STEPS}", f"ckpt-{STEPS - 2}"}
    assert sorted(os.listdir(folder)) == ["checkpoints", "logs", "model"]
    assert not list(Path(folder).rglob(f"{TEMPORARY}*"))
    return {name: Path(folder, name).read_bytes() for name in names}


if __name__ == "__main__":
    main(*sys.argv[1:])
