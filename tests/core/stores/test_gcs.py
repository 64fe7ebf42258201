"""gs:// against two emulators, and against servers that refuse, lie and fall silent."""

import base64
import gzip
import itertools
import os
import threading
import urllib.request

import google_crc32c
import pytest
import requests

from idxpipe.components.core import storage
from idxpipe.components.core.errors import (
    ChangedError,
    DataError,
    SetupError,
    TransientError,
    UsageError,
)
from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.stores import gcs as gcs_store
from tests.emulators import gcs_at, s3_at
from tests.faults import KINDS, faulty_proxy

ODD_NAME = "a b/ü#?%20+.bin"


def test_write_then_read(gcs):
    uri = f"{gcs}/{ODD_NAME}"
    storage.write(uri, b"0123456789")
    assert storage.read(uri) == b"0123456789"
    assert storage.read(uri, 2, 3) == b"234"
    assert storage.read(uri, 8) == b"89"
    assert (storage.size(uri), storage.exists(uri)) == (10, True)
    with storage.open_read(uri, 7) as stream:
        assert (stream.read(2), stream.read(), stream.read()) == (b"78", b"9", b"")
    assert storage.stored_crc32c(uri) == google_crc32c.value(b"0123456789")
    storage.write(uri, b"")
    assert (storage.read(uri), storage.size(uri)) == (b"", 0)


def test_more_than_one_piece_goes_up_and_comes_down(gcs, monkeypatch):
    monkeypatch.setattr(gcs_store, "_CHUNK_BYTES", 4 << 20)
    data = os.urandom((9 << 20) + 5)
    storage.write(f"{gcs}/big", data)
    with storage.open_read(f"{gcs}/big") as stream:
        assert b"".join(iter(lambda: stream.read(1_000_003), b"")) == data
    assert storage.read(f"{gcs}/big", 1 << 20, 3 << 20) == data[1 << 20 : 4 << 20]


def test_nothing_appears_when_writing_fails(gcs):
    storage.write(f"{gcs}/f", b"old")
    with pytest.raises(ZeroDivisionError), storage.create(f"{gcs}/f") as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert storage.read(f"{gcs}/f") == b"old"
    assert storage.list_files(gcs) == {"f": 3}


def test_list_and_delete_keep_to_their_folder(gcs):
    for name in ("d/a", "d/sub/b", "dd"):
        storage.write(f"{gcs}/{name}", name.encode())
    assert storage.list_files(f"{gcs}/d") == {"a": 3, "sub/b": 7}
    assert storage.list_files(f"{gcs}/d/") == {"a": 3, "sub/b": 7}
    assert storage.list_folders(f"{gcs}/d") == storage.list_folders(f"{gcs}/d/") == ["sub"]
    assert storage.list_folders(gcs) == ["d"]
    assert storage.list_folders(f"{gcs}/none") == []
    assert storage.list_files(f"{gcs}/none") == {}
    storage.delete(f"{gcs}/d")
    assert storage.list_files(gcs) == {"dd": 2}
    storage.delete(f"{gcs}/d")
    storage.sweep(gcs)


def test_the_markers_that_consoles_make_of_folders_are_no_files(other_gcs, tmp_path):
    with gcs_at(other_gcs):
        folder = f"gs://bucket/{tmp_path.name}"
        for name in ("d/", "d/sub/", "d/sub/f"):
            storage.write(f"{folder}/{name}", b"")
        assert storage.list_files(f"{folder}/d") == {"sub/f": 0}
        assert not storage.exists(f"{folder}/d/")
        storage.delete(f"{folder}/d")
        assert storage.list_files(folder) == {}


@pytest.mark.parametrize("use", [storage.read, storage.size, storage.open_read])
def test_a_missing_object_is_named(gcs, use):
    assert not storage.exists(f"{gcs}/none")
    with pytest.raises(DataError, match="no such file") as caught:
        use(f"{gcs}/none")
    assert caught.value.where == f"{gcs}/none"


@pytest.mark.parametrize(
    "use",
    [
        storage.read,
        storage.exists,
        storage.list_files,
        storage.delete,
        storage.stored_crc32c,
        lambda uri: storage.write(uri, b"x"),
    ],
)
def test_a_missing_bucket_is_named_with_the_command_that_makes_it(gcs, use):
    with pytest.raises(SetupError, match="no such bucket") as caught:
        use("gs://not-there-4711/x")
    assert "gcloud storage buckets create gs://not-there-4711" in caught.value.remedy


def test_reading_past_the_end_is_an_error(gcs):
    storage.write(f"{gcs}/f", b"012")
    for start in (1, 3, 10):
        with pytest.raises(DataError, match="ends too early"):
            storage.read(f"{gcs}/f", start, 5)


def test_a_bucket_alone_is_no_file_but_a_folder(gcs):
    bucket = gcs.rpartition("/")[0]
    storage.write(f"{gcs}/f", b"")
    assert not storage.exists(bucket)
    assert f"{gcs.rpartition('/')[2]}/f" in storage.list_files(bucket)
    with pytest.raises(UsageError, match="not a URI"):
        storage.exists("gs://")


def test_gzip_content_is_unpacked_by_us_alone(gcs):
    content = os.urandom(100_000)
    storage.write(f"{gcs}/f.gz", gzip.compress(content))
    assert b"".join(read_chunks(f"{gcs}/f.gz")) == content


def test_a_version_is_of_one_writing(gcs):
    versions = []
    for _ in range(2):
        storage.write(f"{gcs}/f", b"x")
        versions.append(storage.version(f"{gcs}/f"))
        assert storage.version(f"{gcs}/f") == versions[-1]
    assert len(set(versions)) == 2


@pytest.mark.parametrize("place", ["one_gcs", "s3"])
def test_an_object_that_was_replaced_is_not_mixed_with_the_new_one(place, request):
    uri = f"{request.getfixturevalue(place)}/f"
    storage.write(uri, bytes(300_000))
    with pytest.raises(ChangedError), storage.open_read(uri) as stream:
        stream.read(10)
        storage.write(uri, b"1" * 300_000)
        stream.read()


@pytest.mark.parametrize("place", ["one_gcs", "s3"])
def test_a_document_that_is_written_again_meanwhile_is_one_or_the_other(place, request):
    """As the record of a run that goes on; each is shorter or longer than the one before."""
    uri = f"{request.getfixturevalue(place)}/run.json"
    contents = b"a" * 10, b"b" * 5000
    storage.write(uri, contents[0])
    was_read, ended = threading.Event(), threading.Event()

    def write():
        # No more than once a reading, which is tried again a few times.
        for content in itertools.cycle(contents):
            was_read.wait()
            was_read.clear()
            if ended.is_set():
                return
            storage.write(uri, content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for read in (storage.read_document, storage.read):
            for _ in range(30):
                assert read(uri) in contents
                was_read.set()
    finally:
        ended.set()
        was_read.set()
        writer.join()


@pytest.mark.parametrize("server", ["fake_gcs", "other_gcs", "moto"])
def test_every_kind_of_fault_is_outlived(server, request, tmp_path):
    found = request.getfixturevalue(server)
    is_s3 = server == "moto"
    url = found["AWS_ENDPOINT_URL"] if is_s3 else found
    with (
        faulty_proxy(url, share=0.4) as proxy,
        s3_at(found, proxy.url) if is_s3 else gcs_at(proxy.url),
    ):
        folder = f"{'s3' if is_s3 else 'gs'}://bucket/{tmp_path.name}"
        data = os.urandom(3 << 20)
        for number in range(8):
            storage.write(f"{folder}/{number}", data)
            with storage.open_read(f"{folder}/{number}") as stream:
                assert stream.read() == data
        assert storage.list_files(folder) == {str(n): len(data) for n in range(8)}
        storage.delete(folder)
        assert storage.list_files(folder) == {}
        assert min(proxy.faults[kind] for kind in KINDS) > 0


def test_an_upload_in_pieces_outlives_faults(fake_gcs, tmp_path, monkeypatch):
    monkeypatch.setattr(gcs_store, "_CHUNK_BYTES", 1 << 20)
    data = os.urandom(9 << 20)
    with faulty_proxy(fake_gcs, share=0.2, seed=3) as proxy, gcs_at(proxy.url):
        uri = f"gs://bucket/{tmp_path.name}"
        storage.write(uri, data)
        assert storage.read(uri) == data
        assert sum(proxy.faults.values())


def test_trust_8_content_that_does_not_fit_its_checksum_is_noticed(fake_gcs, monkeypatch, tmp_path):
    with gcs_at(fake_gcs):
        uri = f"gs://bucket/{tmp_path.name}"
        storage.write(uri, b"right")
        store = gcs_store.gcs_store()
        monkeypatch.setattr(store, "_fetch", lambda blob, start, length: b"wrong"[start:])
        with pytest.raises(TransientError, match="does not fit"), storage.open_read(uri) as stream:
            stream.read()
        for read in (storage.read, storage.read_document):
            with pytest.raises(TransientError, match="does not fit"):
                read(uri)


def test_objects_stored_as_packed_are_read_as_they_are_stored(fake_gcs, tmp_path):
    """With Content-Encoding gzip the service would unpack; sizes and ranges would be of another."""
    packed = gzip.compress(b"content" * 1000)
    name = f"{tmp_path.name}-packed"
    request = urllib.request.Request(
        f"{fake_gcs}/upload/storage/v1/b/bucket/o?uploadType=media&name={name}&contentEncoding=gzip",
        data=packed,
        headers={"Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request).read()
    with gcs_at(fake_gcs):
        assert storage.read(f"gs://bucket/{name}") == packed
        checksum = base64.b64encode(google_crc32c.value(packed).to_bytes(4, "big"))
        assert storage.stored_crc32c(f"gs://bucket/{name}") == int.from_bytes(
            base64.b64decode(checksum), "big"
        )


def test_an_emulator_elsewhere_is_said_and_netrc_is_ignored(monkeypatch, tmp_path, capsys):
    for host, said in (("http://127.0.0.1:1", False), ("http://10.1.2.3:80", True)):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        client = gcs_store._make_client()
        assert ("STORAGE_EMULATOR_HOST sends all of gs://" in capsys.readouterr().err) is said
    (tmp_path / "netrc").write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    request = client._http.prepare_request(requests.Request("GET", "http://10.1.2.3:80/x"))
    assert "authorization" not in request.headers
