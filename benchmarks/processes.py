"""Whole processes: run them, and see how much memory they take."""

import subprocess
import sys
from collections.abc import Callable, Mapping

IDXPIPE = [
    sys.executable,
    "-c",
    "from idxpipe.pipeline.cli.main import main; raise SystemExit(main())",
]
# A process counts the memory of the one that started it, too: a small one has to.
_PEAK = [
    sys.executable,
    "-c",
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)",
]


def run(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True, capture_output=True)


def print_peaks(ways: Mapping[str, list[str]], before: Callable[[], object]) -> None:
    """Print the peak memory of each command against that of the first.

    Args:
        ways: Commands by name.
        before: Called before each.
    """
    print("\npeak memory of whole processes")
    peaks = {}
    for name, command in ways.items():
        before()
        peaks[name] = _peak_bytes(command)
        ratio = peaks[name] / next(iter(peaks.values()))
        print(f"  {name:<44}{peaks[name] / 1e6:>9.0f} MB{ratio:>8.2f} x")


def _peak_bytes(command: list[str]) -> int:
    return int(subprocess.run([*_PEAK, *command], check=True, capture_output=True).stdout)
