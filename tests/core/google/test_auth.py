"""Which credentials are found, and what is said where there are none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.google import auth as google_auth
from idxpipe.components.core.stores import gcs as gcs_store
from tests.emulators import deaf_port, environment, without_credentials


def test_a_metadata_server_that_is_not_there_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    waits = []

    def nobody(address, timeout):
        waits.append(timeout)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", nobody)
    with pytest.raises(SetupError, match="no usable Google credentials"):
        google_auth.find_credentials()
    assert 0 < sum(waits) <= 1


def test_what_gcloud_wrote_is_read_without_gcloud(tmp_path, monkeypatch):
    from idxpipe.components.core.google import auth as google_auth

    folder = tmp_path / "gcloud"
    folder.mkdir()
    login = {"type": "authorized_user", "client_id": "i", "client_secret": "s"}
    (folder / "application_default_credentials.json").write_text(
        json.dumps({**login, "refresh_token": "r"})
    )
    (tmp_path / "gcloud-was-started").unlink(missing_ok=True)
    program = tmp_path / "bin" / "gcloud"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/gcloud-was-started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    credentials, _ = google_auth.find_credentials()
    assert credentials.refresh_token == "r"
    assert not (tmp_path / "gcloud-was-started").exists()


def test_without_credentials_it_says_so(tmp_path):
    command = [str(Path(sys.executable).with_name("idxpipe")), "validate", "--data", "gs://b/d"]
    # For machines that do have a metadata server.
    with deaf_port() as port:
        closed = dict.fromkeys(("GCE_METADATA_HOST", "GCE_METADATA_IP"), f"127.0.0.1:{port}")
        done = subprocess.run(
            command,
            env=without_credentials(tmp_path) | closed,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == SetupError.exit_code
    assert "no usable Google credentials" in done.stderr
    assert "gcloud auth application-default login" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_metadata_server_that_is_silent_is_not_waited_for(tmp_path, monkeypatch):
    from idxpipe.components.core.google import auth as google_auth

    asked = []
    hidden = dict.fromkeys(("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"))

    def connect(address, timeout):
        asked.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(google_auth.socket, "create_connection", connect)
    with (
        environment(**hidden, HOME=str(tmp_path), CLOUDSDK_CONFIG=str(tmp_path)),
        pytest.raises(SetupError, match="no usable Google credentials"),
    ):
        google_auth.find_credentials()
    assert asked == [google_auth._METADATA_SECONDS]


def test_a_key_file_that_cannot_be_read_is_an_error_without_traceback(tmp_path):
    from idxpipe.components.core.google import auth as google_auth

    with (
        environment(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path)),
        pytest.raises(SetupError, match="no usable Google credentials") as caught,
    ):
        google_auth.find_credentials()
    assert caught.value.found == f"{tmp_path}: Is a directory"


def test_a_key_file_that_is_broken_is_named(tmp_path):
    (tmp_path / "key.json").write_text("{}")
    hidden = {"STORAGE_EMULATOR_HOST": None}
    with environment(**hidden, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json")):
        gcs_store._stores.clear()
        with pytest.raises(SetupError, match="no usable Google credentials") as caught:
            storage.size("gs://bucket/f")
    assert "key.json" in caught.value.found
