import pickle
import zipfile

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.intake.tree import Archive, Folder, open_tree, read_file


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)


def archive(path):
    return Archive(path, path)


def test_a_folder_and_an_archive_are_the_same(tmp_path):
    members = {"b/2.png": b"two", "a/1.png": b"one"}
    for name, data in members.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True)
        (tmp_path / "source" / name).write_bytes(data)
    path = write_zip(tmp_path / "a.zip", members)
    for uri in (str(tmp_path / "source"), path):
        with open_tree(uri, str(tmp_path)) as tree:
            assert tree.files == {"a/1.png": 3, "b/2.png": 3}
            assert read_file(tree, "b/2.png") == b"two"
            assert read_file(pickle.loads(pickle.dumps(tree)), "a/1.png") == b"one"


def test_what_systems_hide_is_not_seen(tmp_path):
    names = (".DS_Store", "__MACOSX/a/._1.png", "a/.1.png.swp", "a/1.png")
    path = write_zip(tmp_path / "a.zip", dict.fromkeys(names, b""))
    assert list(archive(path).files) == ["a/1.png"]


@pytest.mark.parametrize("name", ["../up.png", "/root.png", "a/../../b.png", "a\\..\\b.png"])
def test_a_name_that_climbs_out_is_refused(name, tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a/1.png": b"", name: b""})
    with pytest.raises(DataError, match="leads out"):
        list(archive(path).files)


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, made.open("a/0.png", "w") as one:
        for _ in range(1100):
            one.write(bytes(1 << 20))
    with pytest.raises(DataError, match="far more"):
        list(archive(str(path)).files)


def test_no_more_is_read_than_a_member_says_that_it_holds(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, {"a/1.png": bytes(1 << 20)})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    tree = archive(str(path))
    with pytest.raises(DataError, match="damaged"):
        read_file(tree, "a/1.png")


def test_a_member_that_is_damaged_is_said_to_be(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, {"a/1.png": b"0123456789" * 10}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_file(archive(str(path)), "a/1.png")


def test_a_member_without_a_name(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, {"x": b""})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 28] = 0
    del data[at + 46]
    path.write_bytes(data)
    with pytest.raises(DataError):
        list(archive(str(path)).files)


def test_what_is_no_archive(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(DataError, match="not a zip archive"):
        list(archive(str(tmp_path / "a.zip")).files)


def test_a_file_in_a_folder_is_read_where_it_is(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"1")
    assert read_file(Folder(str(tmp_path)), "x.csv") == b"1"


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_data_that_is_damaged(kind, tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, {"a/1.png": bytes(range(256)) * 20}, kind)
    data = bytearray(path.read_bytes())
    data[45:80] = b"\xff" * 35
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_file(archive(str(path)), "a/1.png")
