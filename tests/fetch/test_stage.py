"""Whole data sets, from a server on this machine."""

import hashlib
import io
import os
import socket
import zipfile

import pytest

from idxpipe.components.core.errors import DataError, SetupError, UnreachableError, UsageError
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.fetch.catalogue import DATA_SETS, DataSet, Download
from idxpipe.components.fetch.stage import fetch
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.stage import validate
from tests.fetch.files import FileServer
from tests.idxfiles import write_data_set


@pytest.fixture
def files(tmp_path):
    write_data_set(tmp_path / "source", gz=True)
    return {file.name: file.read_bytes() for file in (tmp_path / "source").iterdir()}


@pytest.fixture
def server(files):
    with FileServer(dict(files)) as running:
        yield running


def data_set(files, url):
    return DataSet(
        "toy",
        tuple(
            Download(
                name, (f"{url}/{name}",), "sha256:" + hashlib.sha256(data).hexdigest(), len(data)
            )
            for name, data in files.items()
        ),
    )


def test_the_files_as_published_and_as_validate_wants_them(files, server, tmp_path):
    done = fetch(data_set(files, server.url), str(tmp_path / "out"))
    assert {f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()} == files
    assert sorted(done.fetched) == sorted(files)
    found = validate(find_files(DataConfig(data=str(tmp_path / "out"))), ValidateConfig())
    assert found.num_classes == 10


def test_what_is_there_is_checked_and_not_fetched_again(files, server, tmp_path):
    toy = data_set(files, server.url)
    fetch(toy, str(tmp_path / "out"))
    server.requests.clear()
    again = fetch(toy, str(tmp_path / "out"))
    assert (again.fetched, len(again.there), server.requests) == ((), 4, [])


def test_what_somebody_put_there_counts_when_offline(files, tmp_path):
    """As the error of a machine without a network says."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    (tmp_path / "out").mkdir()
    for name, data in files.items():
        (tmp_path / "out" / name).write_bytes(data)
    assert fetch(data_set(files, url), str(tmp_path / "out")).fetched == ()


def test_without_a_network_it_names_all_that_is_missing(files, tmp_path, monkeypatch):
    monkeypatch.setattr("idxpipe.components.fetch.download.PAUSE_SECONDS", 0.0)
    (tmp_path / "out").mkdir()
    here, *missing = files
    (tmp_path / "out" / here).write_bytes(files[here])
    with pytest.raises(UnreachableError) as caught:
        fetch(data_set(files, "http://127.0.0.1:1"), str(tmp_path / "out"))
    text = str(caught.value)
    for name in missing:
        assert f"http://127.0.0.1:1/{name}" in text
        assert hashlib.sha256(files[name]).hexdigest() in text
    assert f"/{here}" not in text
    assert f"into {tmp_path / 'out'}" in text


def test_another_file_of_that_name_is_not_replaced(files, server, tmp_path):
    (tmp_path / "out").mkdir()
    name = next(iter(files))
    (tmp_path / "out" / name).write_bytes(b"mine")
    with pytest.raises(DataError, match="another file"):
        fetch(data_set(files, server.url), str(tmp_path / "out"))
    assert (tmp_path / "out" / name).read_bytes() == b"mine"


def test_a_mirror_of_ones_own_comes_first(files, server, tmp_path):
    toy = data_set(files, "http://127.0.0.1:1")
    fetch(toy, str(tmp_path / "out"), mirror=f"{server.url}/")
    assert len(server.requests) == 4


@pytest.mark.parametrize("mirror", ["ftp://x/", "file:///etc/", "nonsense", "http://"])
def test_a_mirror_that_is_none(mirror, files, tmp_path):
    with pytest.raises(UsageError, match="mirror"):
        fetch(data_set(files, "http://127.0.0.1:1"), str(tmp_path / "out"), mirror=mirror)


def test_only_to_this_machine(files, tmp_path):
    with pytest.raises(UsageError, match="this machine"):
        fetch(data_set(files, "http://127.0.0.1:1"), "gs://bucket/mnist")


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"gzip/emnist-toy-{name.replace('t10k', 'test')}", data)
        archive.writestr("gzip/emnist-toy-mapping.txt", "0 48\n")
        archive.writestr("../emnist-evil-mapping.txt", "up")
        archive.writestr("gzip/README", "no part of it")
    return stream.getvalue()


def test_an_archive_is_unpacked_by_the_names_of_its_parts(files, tmp_path):
    data = zipped(files)
    name = "gzip.zip"
    with FileServer({name: data}) as server:
        url = f"{server.url}/{name}"
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        toy = DataSet("toy", (Download(name, (url,), digest, len(data)),), archive=True)
        done = fetch(toy, str(tmp_path / "out"))
        assert len(server.requests) == 1
        assert fetch(toy, str(tmp_path / "out")).fetched == ()
        assert len(server.requests) == 1
    assert len(done.fetched) == 5
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*done.fetched, ".gzip.zip.unpacked"])
    assert not (tmp_path / "emnist-evil-mapping.txt").exists()
    config = DataConfig(data=str(tmp_path / "out"), data_prefix="emnist-toy")
    assert validate(find_files(config), ValidateConfig()).num_classes == 10


def test_a_full_disk_is_said(files, server, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises((SetupError, DataError)):
        fetch(data_set(files, server.url), str(tmp_path / "out"))


def test_the_catalogue_is_complete():
    assert set(DATA_SETS) == {"mnist", "fashion-mnist", "kmnist", "emnist", "qmnist"}
    for each in DATA_SETS.values():
        for file in each.files:
            kind, _, digest = file.digest.partition(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[kind]
            assert all(url.endswith(f"/{file.name}") for url in file.urls)


def test_tensorflow_datasets_knows_the_same_files():
    """Its checksums are kept apart from ours, by people who fetched the files."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = os.path.join(os.path.dirname(tfds.__file__), "url_checksums")
    for name in ("mnist", "fashion_mnist", "kmnist", "emnist"):
        with open(os.path.join(folder, f"{name}.txt")) as stream:
            theirs = {line.split("\t")[0]: line.split("\t")[1:3] for line in stream}
        for file in DATA_SETS[name.replace("_", "-")].files:
            (size, digest), *_ = [theirs[url] for url in file.urls if url in theirs]
            assert (file.size, file.digest) == (int(size), f"sha256:{digest}")
