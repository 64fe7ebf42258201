import subprocess
import sys

from idxpipe.components.core.narration import say, silence, tell


def test_silence_keeps_words_back_but_not_errors(capsys):
    with silence():
        say("a word")
        tell("error: a word")
    assert capsys.readouterr().err == "error: a word\n"
    say("a word")
    assert capsys.readouterr().err == "a word\n"


def test_a_full_disk_behind_stderr_is_no_failure():
    code = "from idxpipe.components.core.narration import say; [say('x' * 99) for _ in range(999)]"
    with open("/dev/full", "w") as full:
        assert (
            subprocess.run([sys.executable, "-c", code], check=False, stderr=full).returncode == 0
        )
