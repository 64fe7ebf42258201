"""Packages beside those of the lock: another release, in a folder that comes first on the path."""

import subprocess
import sys
from pathlib import Path

import pytest


def install(folder: Path, *words: str) -> Path:
    """Install into `folder` alone; the test is skipped where there is no package index."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, "--no-compile", "--no-warn-conflicts", "--target", str(folder), *words],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no package index: {done.stderr[-200:]}")
    return folder
