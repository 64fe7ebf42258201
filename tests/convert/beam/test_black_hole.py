"""Where packets to the outside are swallowed, a conversion does not miss them: it sends none."""

import subprocess
import sys

import pytest

from benchmarks.blackhole import OUTSIDE, UnavailableError, black_hole
from tests.convert.beam.runs import convert_command, tree


@pytest.fixture(scope="module")
def hole():
    try:
        with black_hole() as made:
            yield made
    except UnavailableError as error:
        pytest.skip(f"no network namespaces here: {error}")


CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 80), timeout=0.5)"


def test_a_conversion_sends_nothing(hole, mnist, reference, tmp_path):
    done = subprocess.run(
        hole.command([sys.executable, "-c", CONNECT, OUTSIDE]),
        check=False,
        capture_output=True,
        text=True,
    )
    # Swallowed, not refused: who waits for an answer there waits for long.
    assert "TimeoutError" in done.stderr
    before = hole.packets()
    assert before > 0

    command = convert_command(mnist["gzip"], tmp_path)
    subprocess.run(hole.command(command), check=True, timeout=300, capture_output=True)
    assert tree(tmp_path) == reference
    assert hole.packets() == before
