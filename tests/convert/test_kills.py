"""Kill -9 at random instants: the next conversion leaves one complete dataset, and nothing else."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.tally import tally

KILLS = 30 if os.environ.get("IDXPIPE_CHAOS") else 6
SHARDS = (2, 3, 4, 5)


def test_kills(tmp_path):
    """In a process of its own, which forks: importing Beam sixty times would take minutes."""
    row = tally("kill -9 of a conversion", KILLS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.convert.test_kills", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == KILLS
    row.survived = KILLS


def main(folder):
    # Here, once: what a fork imports is lost with it.
    import apache_beam.runners.portability.fn_api_runner  # noqa: F401

    from idxpipe.components.convert.config import ConvertConfig
    from idxpipe.components.convert.stage import convert
    from idxpipe.components.core import storage
    from tests.idxfiles import make_arrays, write_data_set

    arrays = make_arrays(train=40_000)
    sources = [
        [files["train_images"], files["train_labels"]]
        for files in (
            write_data_set(Path(folder, "plain"), arrays),
            write_data_set(Path(folder, "gz"), arrays, gz=True),
        )
    ]

    def start(number, output, shards):
        child = os.fork()
        if not child:
            convert(
                *sources[number % 2], output, ConvertConfig(num_shards=shards, dataset_name="kills")
            )
            os._exit(0)
        return child

    def whole(*arguments):
        _, status = os.waitpid(start(*arguments), 0)
        assert status == 0

    def tree(path):
        return {name: storage.read(f"{path}/{name}") for name in storage.list_files(path)}

    for shards in SHARDS:
        whole(0, f"{folder}/right-{shards}", shards)
    right = {shards: tree(f"{folder}/right-{shards}") for shards in SHARDS}
    begin = time.monotonic()
    whole(0, f"{folder}/out", SHARDS[-1])
    seconds = time.monotonic() - begin

    rng = random.Random(0)
    killed = number = 0
    while killed < KILLS:
        number += 1
        child = start(number, f"{folder}/out", rng.choice(SHARDS))
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if status:
            killed += 1
        else:
            # It had ended: the machine was busy while the time was taken.
            seconds *= 0.8
        shards = rng.choice(SHARDS)
        whole(number + number // 2, f"{folder}/out", shards)
        found = tree(f"{folder}/out")
        names = found.keys() | right[shards].keys()
        assert [n for n in sorted(names) if found.get(n) != right[shards].get(n)] == []
        # Not even the file system's view has more: no temporary file, no unpacked source.
        assert len(os.listdir(f"{folder}/out")) == shards + 3
        assert not [name for name in os.listdir(folder) if name.startswith("idxpipe-")]
    print(killed)


if __name__ == "__main__":
    main(sys.argv[1])
