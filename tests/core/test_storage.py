import errno
import os
import shutil
import threading

import pytest

from idxpipe.components.core import narration, storage
from idxpipe.components.core.errors import DataError, TransientError, UsageError
from idxpipe.components.core.stores import local


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


def test_a_version_is_of_one_content(tmp_path):
    uri = str(tmp_path / "f")
    storage.write(uri, b"1")
    versions = [storage.version(uri)]
    assert storage.version(uri) == versions[0]
    storage.check_unchanged(uri, versions[0])
    # Replaced, by another of the same length and time; appended to; written to.
    (tmp_path / "g").write_bytes(b"2")
    shutil.copystat(uri, tmp_path / "g")
    (tmp_path / "g").replace(uri)
    versions.append(storage.version(uri))
    with open(uri, "ab") as stream:
        stream.write(b"3")
    versions.append(storage.version(uri))
    os.utime(uri, ns=(0, 7))
    versions.append(storage.version(uri))
    assert len(set(versions)) == 4
    with pytest.raises(TransientError, match="changed while it was read"):
        storage.check_unchanged(uri, versions[0])
    with pytest.raises(DataError, match="no such file"):
        storage.version(str(tmp_path / "none"))


def test_list_is_sorted_and_relative_and_hides_temporary_files(tmp_path):
    for name in ("b", "sub/c", "a"):
        storage.write(str(tmp_path / name), name.encode())
    (tmp_path / ".tmp-1-x").write_bytes(b"")
    assert storage.list_files(str(tmp_path)) == {"a": 1, "b": 1, "sub/c": 5}
    assert storage.list_files(str(tmp_path / "none")) == {}
    assert storage.list_folders(str(tmp_path)) == ["sub"]
    assert (
        storage.list_folders(str(tmp_path / "none"))
        == storage.list_folders(str(tmp_path / "a"))
        == []
    )


def test_delete_takes_files_and_folders_and_nothing(tmp_path):
    storage.write(str(tmp_path / "d" / "f"), b"")
    storage.write(str(tmp_path / "g"), b"")
    for name in ("d", "g", "none"):
        storage.delete(str(tmp_path / name))
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
        "https://host?X-Amz-Credential=hunter2",
        "https://user:hunter2@host?x",
        "gs://bucket/x?access_token=hunter2",
        # What only its service knows.
        "https://host/x?code=hunter2",
        "https://host/x?h=hunter2&download=1",
        "https://host/x?hunter2",
        "https://host/x#hunter2",
        "HTTPS://host/x#access_token=hunter2",
        "ftp://host/x?se=hunter2",
    ],
)
def test_trust_14_a_secret_in_a_uri_is_refused_and_not_shown(uri):
    with pytest.raises(UsageError, match="password or signature") as caught:
        storage.read(uri)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "a@b?sig=1",
            "https://host/x?download=1",
            "gs://b/a@b",
            "https://host/a@b?raw=true&ref=v1",
        ),
        # Names of objects.
        *("gs://bucket/a?b=c#d", "s3://bucket/a#1"),
    ],
)
def test_other_uris_are_not_taken_for_secrets(uri):
    storage.refuse_secrets(uri)


def test_who_waits_for_a_lock_is_told_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(narration, "SECONDS_BEFORE_A_WORD", 0.0)
    monkeypatch.setattr(local, "_POLL_SECONDS", 0.01)
    first, second = threading.Event(), threading.Event()

    def wait():
        first.wait()
        with storage.lock(str(tmp_path)):
            second.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    with storage.lock(str(tmp_path)):
        first.set()
        while "waiting for another process" not in capsys.readouterr().err:
            assert not second.is_set()
    waiter.join()
    assert second.is_set()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(local.fcntl, "flock", unsupported)
    with storage.lock(str(tmp_path)):
        pass
    assert "cannot be locked: No locks available" in capsys.readouterr().err


def test_a_document_that_is_written_again_meanwhile_is_one_or_the_other(tmp_path):
    """As the record of a run that goes on; each is shorter or longer than the one before."""
    uri = str(tmp_path / "run.json")
    contents = b"a" * 10, b"b" * 5000
    storage.write(uri, contents[0])
    ended = threading.Event()

    def write():
        while not ended.is_set():
            for content in contents:
                (tmp_path / "next").write_bytes(content)
                os.replace(tmp_path / "next", uri)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for read in (storage.read_document, storage.read):
            assert {read(uri) for _ in range(3000)} <= set(contents)
    finally:
        ended.set()
        writer.join()
