"""Folders that are copied to and from a store, file by file."""

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.transfer import download, upload


def test_folders_are_copied_side_by_side(gcs, tmp_path):
    names = [f"{number}/f" for number in range(20)]
    for name in names:
        storage.write(f"{tmp_path}/from/{name}", name.encode() * 1000)
    upload(f"{tmp_path}/from", f"{gcs}/d", names)
    assert download(f"{gcs}/d", f"{tmp_path}/to", names[:2]) == [
        f"{tmp_path}/to/{n}/f" for n in "01"
    ]
    download(f"{gcs}/d", f"{tmp_path}/to")
    assert storage.list_files(f"{tmp_path}/to") == storage.list_files(f"{tmp_path}/from")
    assert storage.read(f"{tmp_path}/to/7/f") == b"7/f" * 1000
    with pytest.raises(DataError, match="no such file"):
        download(f"{gcs}/d", f"{tmp_path}/to", ["none"])


def test_folders_on_s3_too(s3, tmp_path):
    names = [f"{number}/f" for number in range(5)]
    for name in names:
        storage.write(f"{tmp_path}/from/{name}", name.encode())
    upload(f"{tmp_path}/from", f"{s3}/d", names)
    download(f"{s3}/d", f"{tmp_path}/to")
    assert storage.read(f"{tmp_path}/to/4/f") == b"4/f"
