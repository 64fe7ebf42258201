"""s3:// against moto's server; https:// and the rest as far as they go without a network."""

import functools
import http.server
import os
import sys
import threading

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, TransientError, UsageError
from idxpipe.components.core.stores import fsspec_store
from tests.emulators import deaf_port, environment


@pytest.fixture(params=["s3", "memory"])
def folder(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return f"memory://{tmp_path.name}"


def test_write_then_read(folder):
    uri = f"{folder}/a b/f+.bin"
    storage.write(uri, b"0123456789")
    assert storage.read(uri) == b"0123456789"
    assert storage.read(uri, 2, 3) == b"234"
    assert (storage.size(uri), storage.exists(uri)) == (10, True)
    with storage.open_read(uri, 7) as stream:
        assert stream.read() == b"789"
    assert storage.stored_crc32c(uri) is None
    storage.write(uri, b"")
    assert (storage.read(uri), storage.size(uri)) == (b"", 0)


def test_nothing_appears_when_writing_fails(folder):
    storage.write(f"{folder}/f", b"old")
    with pytest.raises(ZeroDivisionError), storage.create(f"{folder}/f") as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert storage.read(f"{folder}/f") == b"old"


def test_large_files_go_up_and_come_down(folder):
    data = os.urandom((9 << 20) + 1)
    storage.write(f"{folder}/big", data)
    with storage.open_read(f"{folder}/big") as stream:
        assert stream.read() == data


def test_list_and_delete_keep_to_their_folder(folder):
    for name in ("d/a", "d/sub/b", "dd"):
        storage.write(f"{folder}/{name}", name.encode())
    assert storage.list_files(f"{folder}/d") == {"a": 3, "sub/b": 7}
    assert storage.list_files(f"{folder}/none") == {}
    assert storage.list_files(f"{folder}/dd") == {}
    assert storage.list_folders(f"{folder}/d") == ["sub"]
    assert storage.list_folders(folder) == ["d"]
    assert storage.list_folders(f"{folder}/none") == []
    assert not storage.exists(f"{folder}/d")
    storage.delete(f"{folder}/d")
    assert storage.list_files(folder) == {"dd": 2}
    storage.delete(f"{folder}/none")
    storage.delete(f"{folder}/dd")
    storage.sweep(folder)
    assert storage.list_files(folder) == {}


@pytest.mark.parametrize("use", [storage.read, storage.size, storage.open_read])
def test_a_missing_file_is_named(folder, use):
    with pytest.raises(DataError, match="no such file") as caught:
        use(f"{folder}/none")
    assert caught.value.where == f"{folder}/none"


def test_what_others_write_is_seen(s3, moto):
    import boto3

    assert storage.list_files(s3) == {}
    bucket, _, prefix = s3.removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"])
    client.put_object(Bucket=bucket, Key=f"{prefix}/f", Body=b"x")
    assert storage.list_files(s3) == {"f": 1}


def test_a_version_is_of_one_content(folder):
    versions = []
    for data in (b"1", b"2"):
        storage.write(f"{folder}/f", data)
        versions.append(storage.version(f"{folder}/f"))
        assert storage.version(f"{folder}/f") == versions[-1]
    assert len(set(versions)) == 2
    with pytest.raises(DataError, match="no such file"):
        storage.version(f"{folder}/none")


def test_a_missing_bucket_is_an_error_of_the_setup(s3):
    with pytest.raises(SetupError, match="bucket") as caught:
        storage.write("s3://not-there-4711/x", b"x")
    assert "s3://not-there-4711" in str(caught.value)


def test_a_server_that_is_not_there_is_given_up(s3, monkeypatch):
    monkeypatch.setattr(fsspec_store, "_ATTEMPTS", 2)
    monkeypatch.setattr(fsspec_store, "_FIRST_PAUSE_SECONDS", 0.01)
    with deaf_port() as port, pytest.raises(TransientError, match="again and again"):
        storage.size(f"http://127.0.0.1:{port}/f")


def test_without_credentials_it_says_so(tmp_path):
    class NoCredentialsError(Exception):
        """As botocore's."""

    store = fsspec_store.FsspecStore("s3://bucket")

    def fail():
        raise NoCredentialsError("Unable to locate credentials")

    with pytest.raises(SetupError, match="no usable credentials") as caught:
        store._try("bucket/f", fail)
    assert "aws configure" in caught.value.remedy
    with pytest.raises(SetupError, match="no right"):
        store._try("bucket/f", lambda: (_ for _ in ()).throw(PermissionError("Access Denied")))


def test_a_fault_that_passes_is_not_seen(monkeypatch):
    monkeypatch.setattr(fsspec_store, "_FIRST_PAUSE_SECONDS", 0.01)
    store, faults = fsspec_store.FsspecStore("memory://f"), [ConnectionResetError(), TimeoutError()]

    def work():
        if faults:
            raise faults.pop()
        return "done"

    assert store._try("f", work) == "done"


@pytest.mark.parametrize(
    ("scheme", "package"),
    [("s3", "pip install 'idxpipe[s3]'"), ("abfs", "adlfs"), ("hdfs", "pyarrow")],
)
def test_a_missing_driver_is_named(scheme, package, monkeypatch):
    import fsspec
    from fsspec.registry import known_implementations

    def missing(*args, **options):
        raise ImportError(known_implementations[scheme].get("err", "pyarrow"))

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(SetupError, match="not installed") as caught:
        storage.size(f"{scheme}://bucket/f")
    assert package in f"{caught.value.remedy} {caught.value.found}"


def test_a_driver_may_take_the_host_from_the_address(monkeypatch):
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Hosted(MemoryFileSystem):
        """As that of FTP."""

        protocol = "hosted"

        def __init__(self, host, **options):
            if host == "down":
                raise ConnectionRefusedError("Connection refused")
            super().__init__(**options)

        @staticmethod
        def _get_kwargs_from_urls(path):
            return {"host": path.split("/")[2]}

    fsspec.register_implementation("hosted", Hosted, clobber=True)
    storage.write("hosted://up/f", b"x")
    assert storage.read("hosted://up/f") == b"x"
    with pytest.raises(SetupError, match="cannot start") as caught:
        storage.read("hosted://down/f")
    assert caught.value.found == "Connection refused"


@pytest.mark.parametrize("scheme", ["github", "reference"])
def test_a_driver_that_wants_more_than_an_address_is_an_error_without_traceback(scheme):
    with pytest.raises(SetupError, match="cannot start"):
        storage.size(f"{scheme}://host/f")


@pytest.fixture
def web(tmp_path):
    """A web server with one file; not every one answers ranges, and this one does not."""
    (tmp_path / "f").write_bytes(b"0123456789")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_is_read(web):
    assert storage.read(f"{web}/f") == b"0123456789"
    assert storage.read(f"{web}/f", 2, 3) == b"234"
    with storage.open_read(f"{web}/f", 7) as stream:
        assert stream.read() == b"789"
    assert storage.version(f"{web}/f") == storage.version(f"{web}/f")
    with pytest.raises(DataError, match="no such file"):
        storage.size(f"{web}/none")


@pytest.mark.parametrize("use", [storage.delete, lambda uri: storage.write(uri, b"x")])
def test_the_web_is_not_written(use):
    with pytest.raises(UsageError, match="cannot be written"):
        use("https://host/f")


def test_the_drivers_are_loaded_when_they_are_met():
    code = "import sys, idxpipe.components.core.storage as storage\nstorage.exists('/')\n"
    code += "print('fsspec' in sys.modules)"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_credentials_of_the_environment_are_used(moto):
    with environment(**moto, AWS_SESSION_TOKEN=None):
        assert storage.list_files("s3://bucket/none-at-all") == {}
