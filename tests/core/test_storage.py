import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, UsageError


def test_write_then_read(tmp_path):
    uri = str(tmp_path / "new" / "folder" / "f")
    storage.write(uri, b"0123456789")
    assert storage.read(uri) == b"0123456789"
    assert storage.read(uri, 2, 3) == b"234"
    assert storage.read(uri, 8) == b"89"
    assert storage.size(uri) == 10
    assert storage.exists(uri)
    with storage.open_read(uri, 7) as stream:
        assert stream.read() == b"789"


def test_file_uris_are_local(tmp_path):
    storage.write(f"file://{tmp_path}/a%20b", b"x")
    assert (tmp_path / "a b").read_bytes() == b"x"
    assert storage.is_local(f"file://{tmp_path}")
    assert not storage.is_local("gs://bucket/x")


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


def test_reading_past_the_end_is_an_error(tmp_path):
    uri = str(tmp_path / "f")
    storage.write(uri, b"012")
    with pytest.raises(DataError, match="ends too early") as caught:
        storage.read(uri, 1, 5)
    assert caught.value.offset == 3


@pytest.mark.parametrize("use", [storage.read, storage.size, storage.open_read])
def test_a_missing_file_is_named(tmp_path, use):
    with pytest.raises(DataError, match="no such file") as caught:
        use(str(tmp_path / "none"))
    assert caught.value.where == str(tmp_path / "none")


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path):
    storage.write(str(tmp_path / "f"), b"")
    with pytest.raises(DataError, match="crosses a file"):
        storage.write(str(tmp_path / "f" / "g"), b"")


def test_list_is_sorted_and_relative_and_hides_temporary_files(tmp_path):
    for name in ("b", "sub/c", "a"):
        storage.write(str(tmp_path / name), name.encode())
    (tmp_path / ".tmp-1-x").write_bytes(b"")
    assert storage.list_files(str(tmp_path)) == {"a": 1, "b": 1, "sub/c": 5}
    assert storage.list_files(str(tmp_path / "none")) == {}


def test_delete_takes_files_and_folders_and_nothing(tmp_path):
    storage.write(str(tmp_path / "d" / "f"), b"")
    storage.write(str(tmp_path / "g"), b"")
    for name in ("d", "g", "none"):
        storage.delete(str(tmp_path / name))
    assert not os.listdir(tmp_path)


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


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\b", "a\0b", ".."])
def test_names_may_not_climb_out(name):
    with pytest.raises(DataError, match="leads out of its folder"):
        storage.join("base", name)


def test_join_and_name_of():
    assert storage.join("base/", "a", "b") == "base/a/b"
    assert storage.join("gs://bucket", "a") == "gs://bucket/a"
    assert storage.join("/", "a") == "/a"
    assert storage.name_of("gs://bucket/a/b/") == "b"


def test_other_schemes_are_refused_clearly():
    with pytest.raises(UsageError, match="not supported"):
        storage.read("nosuch://host/x")


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:hunter2@host/x",
        "https://host/x?X-Goog-Signature=hunter2",
        "https://host/x?a=1&sig=hunter2",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_shown(uri):
    with pytest.raises(UsageError, match="password or signature") as caught:
        storage.read(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("uri", ["a@b?sig=1", "https://host/x?download=1", "gs://b/a@b"])
def test_other_uris_are_not_taken_for_secrets(uri):
    storage.refuse_secrets(uri)


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
