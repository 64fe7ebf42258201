import re
import subprocess
import sys
import threading

from idxpipe.components.core import narration
from idxpipe.components.core.narration import awaiting, patience, say, silence, tell


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


def test_trust_8_a_wait_is_told_once_for_several_and_given_up(monkeypatch, capsys):
    monkeypatch.setattr(narration, "SECONDS_BEFORE_A_WORD", 0.1)
    ended = threading.Event()
    with awaiting("the moon"), awaiting("the moon", 0.2, ended.set):
        assert ended.wait(30)
    assert re.fullmatch(r"waiting for the moon, \d+ s so far\n", capsys.readouterr().err)


def test_a_short_wait_is_not_told(capsys):
    for _ in range(1000):
        with awaiting("nothing"):
            pass
    assert capsys.readouterr().err == ""


def test_patience_is_what_the_environment_says(monkeypatch):
    assert (patience(), patience(7.0)) == (None, 7.0)
    monkeypatch.setenv(narration.PATIENCE_VARIABLE, "2.5")
    assert patience(7.0) == 2.5
    monkeypatch.setenv(narration.PATIENCE_VARIABLE, "soon")
    assert patience(7.0) == 7.0
