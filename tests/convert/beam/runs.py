"""Conversions of one split, in a process of their own, by any runner."""

import os
import subprocess
import sys
from pathlib import Path

from idxpipe.components.core import storage
from tests.emulators import lean_path

ROOT = Path(__file__).parents[3]
SHARDS = 6


def tree(folder) -> dict[str, bytes]:
    """Return the content of every file in a folder."""
    return {name: storage.read(f"{folder}/{name}") for name in storage.list_files(str(folder))}


def block_a_shard(output: Path) -> str:
    """Put a folder where a shard belongs, which only the worker that makes it finds out."""
    name = f"mnist-test.tfrecord-00003-of-{SHARDS:05d}"
    (output / name / "in the way").mkdir(parents=True)
    return name


def convert_command(sources, output) -> list[str]:
    """Return `idxpipe convert`, as `reference` was made."""
    words = ["--images", sources[0], "--labels", sources[1], "--output", str(output)]
    words += ["--split", "test", "--dataset-name", "mnist", "--num-shards", str(SHARDS)]
    return [sys.executable, "-m", "idxpipe", "convert", *words]


def start_cli(sources, output, runner, *options, env=None) -> subprocess.Popen:
    """Start `idxpipe convert`."""
    return subprocess.Popen(
        [*convert_command(sources, output), "--runner", runner, "--", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{lean_path()}:{ROOT}", **(env or {})},
    )


def run_cli(*args, **more) -> subprocess.CompletedProcess:
    """Run `idxpipe convert` to its end."""
    with start_cli(*args, **more) as process:
        try:
            out, err = process.communicate(timeout=600)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def assert_our_error(done, code: int, problem: str) -> None:
    """Check that a run ended in an error as users are shown it."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    assert f"error: {problem}" in done.stderr or problem in done.stderr.partition("error: ")[2]
