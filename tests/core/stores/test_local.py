"""Files of this machine: whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import SetupError


def test_nothing_appears_when_writing_fails(tmp_path):
    uri = str(tmp_path / "f")
    storage.write(uri, b"old")
    with pytest.raises(ZeroDivisionError), storage.create(uri) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert storage.read(uri) == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_written_file_has_ordinary_permissions(tmp_path):
    storage.write(str(tmp_path / "f"), b"")
    (tmp_path / "g").write_bytes(b"")
    assert (tmp_path / "f").stat().st_mode == (tmp_path / "g").stat().st_mode


def test_delete_does_not_follow_a_link(tmp_path):
    storage.write(str(tmp_path / "real" / "f"), b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    storage.delete(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["real"]


def test_sweep_takes_what_a_killed_process_left(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from idxpipe.components.core import storage\n"
        "with storage.create(sys.argv[1]) as s:\n"
        "    s.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    with storage.create(str(tmp_path / "g")):
        storage.sweep(str(tmp_path))
        assert len(os.listdir(tmp_path)) == 1  # our own is still being written
    assert os.listdir(tmp_path) == ["g"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def no_space(_descriptor, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", no_space)
    with pytest.raises(SetupError, match="No space left") as caught:
        storage.write(str(tmp_path / "f"), b"x")
    assert "free disk space" in caught.value.remedy
    assert not os.listdir(tmp_path)


def test_names_are_those_of_the_folder_itself(tmp_path):
    for name in ("b", "sub/c", "a"):
        storage.write(str(tmp_path / name), b"")
    assert storage.list_names(str(tmp_path)) == ["a", "b"]
    assert storage.list_names(str(tmp_path / "none")) == []
    assert storage.list_names(str(tmp_path / "a")) == []


def test_a_folder_that_others_delete_too_is_deleted(tmp_path):
    """A conversion that failed clears its receipts while its workers may clear theirs."""
    folder = tmp_path / "many"
    for i in range(20):
        (folder / str(i)).mkdir(parents=True)
        for j in range(50):
            (folder / str(i) / str(j)).touch()
    everyone = threading.Barrier(4)

    def delete():
        everyone.wait()
        storage.delete(str(folder))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(delete) for _ in range(4)]:
            done.result()
    assert not folder.exists()
