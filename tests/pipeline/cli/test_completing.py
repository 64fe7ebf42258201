"""What a shell is answered: the protocol is argcomplete's, as its own shell code speaks it."""

import os
import subprocess
import sys

import pytest

from tests.pipeline.runs.commands import command


def completed(line, **environment):
    """Return what a shell would offer after `line`."""
    reader, writer = os.pipe()
    # The shell's code redirects descriptor 8 to itself.
    code = f"import os; os.dup2({writer}, 8); from idxpipe.pipeline.cli.main import main; main()"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    asked |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "bash"}
    with os.fdopen(reader) as answer:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **asked, **environment},
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        found = answer.read().split("\n")
        process.wait()
    return [word.strip() for word in found]


def test_commands_flags_and_stages():
    assert completed("idxpipe swe") == ["sweep"]
    assert completed("idxpipe runs --so") == ["--sort"]
    assert completed("idxpipe run --from tr") == ["train"]
    assert completed("idxpipe run --set learning_r") == ["learning_rate="]


def test_runs(run, root):
    record = run()
    assert completed(f"idxpipe show --root {root} {record.run_id[:9]}") == [record.run_id]
    assert "latest" in completed(f"idxpipe diff --root {root} ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_code(capsys, shell):
    code = command(capsys, "completion", shell).out
    assert "idxpipe" in code
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=code, text=True, check=False).returncode == 0
