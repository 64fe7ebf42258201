"""One file over HTTP: cut, resumed, checked."""

import hashlib
import os
import socket

import pytest

from idxpipe.components.core.errors import DataError, IdxpipeError, UnreachableError
from idxpipe.components.fetch.catalogue import Download
from idxpipe.components.fetch.download import ATTEMPTS, download
from tests.fetch.files import FileServer

DATA = os.urandom(300_000)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("idxpipe.components.fetch.download.PAUSE_SECONDS", 0.0)


@pytest.fixture
def server():
    with FileServer({"a/x.gz": DATA, "b/x.gz": DATA, "bad/x.gz": DATA[::-1]}) as running:
        yield running


@pytest.fixture
def closed():
    """An address on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/x.gz"


def wanted(*urls, digest="", size=300_000):
    digest = digest or "sha256:" + hashlib.sha256(DATA).hexdigest()
    return Download("x.gz", urls, digest, size)


def test_the_bytes_as_they_are_stored(server, tmp_path):
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA
    assert os.listdir(tmp_path) == ["x.gz"]
    assert server.encodings == {"identity"}


def test_cut_in_the_middle_it_goes_on_where_it_was(server, tmp_path):
    server.cuts = [100_000, 100_000]
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA
    assert [range_ for _, range_ in server.requests] == ["", "bytes=100000-", "bytes=200000-"]


def test_another_mirror_goes_on_where_the_first_was_cut(server, tmp_path):
    server.cuts = [100_000, *[0] * ATTEMPTS]
    download(wanted(f"{server.url}/a/x.gz", f"{server.url}/b/x.gz"), str(tmp_path / "x.gz"))
    assert server.requests[-1] == ("/b/x.gz", "bytes=100000-")
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_a_later_call_goes_on_where_an_earlier_one_was_killed(server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(DATA[:1234])
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert server.requests == [("/a/x.gz", "bytes=1234-")]
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_a_server_that_knows_no_ranges_sends_all_of_it(server, tmp_path):
    server.ranges = False
    (tmp_path / "x.gz.part").write_bytes(DATA[:1234])
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert len(server.requests) == 1
    assert (tmp_path / "x.gz").read_bytes() == DATA


@pytest.mark.parametrize("rest", [DATA, DATA[::-1], DATA + b"more", b"other" * 10])
def test_whatever_an_earlier_call_left(rest, server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(rest)
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_404_then_the_mirror(server, tmp_path):
    download(wanted(f"{server.url}/no/x.gz", f"{server.url}/b/x.gz"), str(tmp_path / "x.gz"))
    assert [path for path, _ in server.requests] == ["/no/x.gz", "/b/x.gz"]


def test_nobody_there_then_the_mirror(server, closed, tmp_path):
    download(wanted(closed, f"{server.url}/b/x.gz"), str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_503_is_tried_again(server, tmp_path):
    server.statuses = [503, 429]
    download(wanted(f"{server.url}/a/x.gz"), str(tmp_path / "x.gz"))
    assert len(server.requests) == 3


def test_a_wrong_checksum_is_not_put_in_place(server, tmp_path):
    with pytest.raises(DataError) as caught:
        download(wanted(f"{server.url}/bad/x.gz"), str(tmp_path / "x.gz"))
    text = str(caught.value)
    assert hashlib.sha256(DATA[::-1]).hexdigest() in text
    assert "/bad/x.gz" in text
    assert os.listdir(tmp_path) == []


def test_a_wrong_checksum_then_the_mirror(server, tmp_path):
    download(wanted(f"{server.url}/bad/x.gz", f"{server.url}/b/x.gz"), str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_md5_without_a_size(server, tmp_path):
    digest = "md5:" + hashlib.md5(DATA).hexdigest()
    file = wanted(f"{server.url}/a/x.gz", digest=digest, size=None)
    download(file, str(tmp_path / "x.gz"))
    assert (tmp_path / "x.gz").read_bytes() == DATA


def test_more_than_the_file_has_is_not_written(tmp_path):
    seen = []
    with FileServer({"x.gz": DATA * 9}) as server, pytest.raises(DataError, match="longer"):
        download(wanted(f"{server.url}/x.gz"), str(tmp_path / "x.gz"), seen.append)
    assert max(seen) <= len(DATA)
    assert os.listdir(tmp_path) == []


def test_offline_it_says_what_it_wanted(closed, tmp_path):
    with pytest.raises(UnreachableError) as caught:
        download(wanted(closed), str(tmp_path / "x.gz"))
    text = str(caught.value)
    for part in (closed, "127.0.0.1", hashlib.sha256(DATA).hexdigest(), "300000 bytes"):
        assert part in text
    assert caught.value.exit_code == 6


def test_what_is_gone_everywhere(server, tmp_path):
    with pytest.raises(IdxpipeError, match="404") as caught:
        download(wanted(f"{server.url}/no/x.gz"), str(tmp_path / "x.gz"))
    assert caught.value.exit_code == 5
