"""Trust 8: no wait without a word and an end, and Ctrl-C ends it.

The clients are real ones; the servers take connections, and answer nothing or byte by byte.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests import idxfiles
from tests.silent import silent_server

# A tenth of what it took without a bound; the bound itself is five seconds.
PATIENCE = "5"
MOST_SECONDS = 90


@pytest.fixture(params=["mute", "drip"])
def silent(request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with silent_server(request.param) as port:
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        yield url


def idxpipe(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "idxpipe", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=MOST_SECONDS
    )


def interrupted(*words: str) -> tuple[int, str]:
    """Run a command until it says what it waits for; then Ctrl-C."""
    command = [sys.executable, "-m", "idxpipe", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = ""
        while "waiting for" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        return process.wait(MOST_SECONDS), said


def waited(what: str, said: str) -> bool:
    """Tell whether it was said what is waited for, after three seconds or what comes of them."""
    return re.search(rf"waiting for {re.escape(what)}, \d s so far", said) is not None


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_trust_8_a_store_that_does_not_answer(silent, scheme):
    for command in (["validate", "--data"], ["runs", "--root"]):
        done = idxpipe(*command, f"{scheme}://bucket/x", "--max-wait", PATIENCE)
        assert done.returncode == 6, done.stderr
        assert waited(f"{scheme}://bucket", done.stderr)
        assert "cannot be reached" in done.stderr
        assert "Traceback" not in done.stderr


def test_trust_8_ctrl_c_while_a_store_does_not_answer(silent):
    for command in (
        ["validate", "--data", "gs://bucket/x"],
        ["runs", "--root", "s3://bucket/x"],
        ["run", "--plan", "--data", "gs://bucket/x"],
    ):
        # Without it each would end after two minutes.
        began = time.monotonic()
        code, said = interrupted(*command)
        assert (code, said.count("Traceback")) == (130, 0), said
        assert time.monotonic() - began < MOST_SECONDS


def test_trust_8_a_service_that_does_not_answer(silent):
    place = ["--project", "some-project", "--region", "us-central1", "--endpoint", silent]
    done = idxpipe("status", "job", *place, "--max-wait", PATIENCE)
    assert done.returncode == 6, done.stderr
    assert waited("Vertex AI", done.stderr)
    code, said = interrupted("wait", "job", *place)
    assert (code, said.count("Traceback")) == (130, 0), said


def test_trust_8_a_lock_that_another_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    idxfiles.write_data_set(tmp_path / "data")
    os.makedirs("made/train")
    descriptor = os.open("made/train", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    words = ["convert", "--data", "data", "--output", "made"]
    try:
        done = idxpipe(*words, "--max-wait", PATIENCE)
    finally:
        os.close(descriptor)
    assert done.returncode == 6, done.stderr
    assert "another process works here" in done.stderr
    assert waited("another process that works in made/train", done.stderr)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_trust_9_a_proxy_that_wants_a_password_is_no_passing_fault(tmp_path, monkeypatch, scheme):
    monkeypatch.chdir(tmp_path)
    with silent_server("proxy") as port:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        for name in ("STORAGE_EMULATOR_HOST", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, "https://storage.example")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        done = idxpipe("validate", "--data", f"{scheme}://bucket/x")
    assert done.returncode == 5, done.stderr
    assert "proxy does not let this through" in done.stderr


def test_trust_8_a_tpu_that_does_not_answer_while_tensorflow_is_kept_quiet(tmp_path):
    idxfiles.write_data_set(tmp_path / "data")
    records, output = str(tmp_path / "records"), str(tmp_path / "out")
    done = idxpipe("convert", "--data", str(tmp_path / "data"), "--output", records)
    assert done.returncode == 0, done.stderr
    with silent_server("mute") as port:
        tpu = ["--tpu", f"grpc://127.0.0.1:{port}"]
        words = ["train", "--records", f"{records}/train", "--output", output, *tpu]
        done = idxpipe(*words, "--max-wait", PATIENCE)
        assert done.returncode == 6, done.stderr
        assert "waiting for the TPU at grpc://127.0.0.1" in done.stderr
        code, said = interrupted(*words)
        assert (code, said.count("Traceback"), said.count("interrupted")) == (130, 0, 1), said
