"""The same answers where a system has less than Linux: /proc, affinity, fdatasync, fallocate."""

import os
import subprocess
import sys

import pytest

from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import SetupError


@pytest.fixture(params=["Linux", "elsewhere"])
def system(request, monkeypatch):
    if request.param == "elsewhere":
        for name in ("sched_getaffinity", "fdatasync", "posix_fallocate"):
            monkeypatch.delattr(os, name)
        for name in ("_STATUS", "_MEMORY"):
            monkeypatch.setattr(host, name, "/nowhere/at/all")
        monkeypatch.setattr(sys, "platform", "darwin")
        host._umask_once.cache_clear()


@pytest.mark.usefixtures("system")
def test_it_answers(tmp_path):
    assert 1 <= host.cpus() <= (os.cpu_count() or 1)
    assert 0 < host.free_memory() < host.UNLIMITED
    before = os.umask(0o027)
    try:
        assert host.umask() == 0o027
    finally:
        assert os.umask(before) == 0o027
    with open(tmp_path / "file", "w+b") as stream:
        host.allocate(stream.fileno(), 1000)
        host.sync_data(stream.fileno())
        with open(host.descriptor_path(stream.fileno()), "rb") as again:
            assert len(again.read()) == 1000


def test_a_process_runs_until_it_has_ended():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert host.runs(child.pid)
        child.communicate(b"\n")
    assert not host.runs(child.pid)
    assert host.runs(os.getpid())
    assert not host.runs(0)
    assert not host.runs(1 << 40)


def test_without_proc_a_sweep_spares_what_running_processes_write(tmp_path, monkeypatch):
    exists = os.path.exists
    monkeypatch.setattr(
        os.path, "exists", lambda path: not str(path).startswith("/proc") and exists(path)
    )
    with storage.create(str(tmp_path / "made")) as stream:
        stream.write(b"half")
        storage.sweep(str(tmp_path))
        stream.write(b"whole")
    assert (tmp_path / "made").read_bytes() == b"halfwhole"


def test_trust_14_a_lock_is_neither_followed_nor_emptied(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("mine")
    os.close(host.open_lock(str(kept)))
    assert kept.read_text() == "mine"
    link = tmp_path / "KEY.lock"
    link.symlink_to(kept)
    with pytest.raises(SetupError, match="symbolic link"):
        host.open_lock(str(link))
    link.unlink()
    link.symlink_to(tmp_path / "new")
    with pytest.raises(SetupError, match="symbolic link"):
        host.open_lock(str(link))
    assert not (tmp_path / "new").exists()


def test_the_lock_of_another_user_is_taken(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    path.chmod(0o444)
    tmp_path.chmod(0o755)
    folder = os.open(tmp_path, os.O_RDONLY)
    child = os.fork()
    if not child:
        # Root may write what it likes; nobody may not. Those above are root's alone.
        os.fchdir(folder)
        if not os.getuid():
            os.setuid(65534)
        os._exit(os.access("lock", os.W_OK) or host.open_lock("lock") < 0)
    os.close(folder)
    assert os.waitpid(child, 0)[1] == 0


def test_a_folder_for_what_can_be_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "idxpipe" / "things"
    assert host.cache_folder("things") == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    # Of a path that is not absolute, the standard says: ignore it.
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert host.cache_folder("things") == str(tmp_path / "home/.cache/idxpipe/things")


def test_what_others_may_write_is_no_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    os.chmod(host.cache_folder("things"), 0o777)
    assert host.cache_folder("things") is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert host.cache_folder("things") is None
