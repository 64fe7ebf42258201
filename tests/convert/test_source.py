import dataclasses
import os
import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from idxpipe.components.convert.feed import AbandonedError, find_feed, is_fed
from idxpipe.components.convert.source import Access, open_images, open_labels, staging_folder
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.idxfiles import idx_bytes, write_idx

IMAGES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
LABELS = np.array([3, 1], np.uint8)
IN_ORDER = Access(whole=True, scattered=False, local=True)


ANY = LayoutConfig(image_shape="auto")


def images_of(uri, layout, staging, access=IN_ORDER):
    with open_images(uri, layout, "", str(staging), access) as (_, whole):
        source = whole.result()
        return source, storage.read(source.plain)


def test_plain_files_are_read_where_they_are(tmp_path):
    uri = write_idx(tmp_path / "i", IMAGES)
    assert images_of(uri, ANY, tmp_path / "staging")[0].plain == uri
    assert not (tmp_path / "staging").exists()


def test_gzip_is_unpacked_whole(tmp_path):
    uri = write_idx(tmp_path / "i.gz", IMAGES)
    images, content = images_of(uri, LayoutConfig(image_shape="3x4"), tmp_path / "s")
    labels, largest = open_labels(
        write_idx(tmp_path / "l.gz", LABELS), ANY, "", str(tmp_path / "s"), IN_ORDER
    )
    assert content == idx_bytes(IMAGES)
    assert images.expected == str(Fingerprint().extend(idx_bytes(IMAGES)))
    assert storage.read(labels.plain) == idx_bytes(LABELS)
    assert largest == 3


FED = dataclasses.replace(IN_ORDER, fed=True)


def test_gzip_that_is_read_once_is_not_copied(tmp_path):
    uri = write_idx(tmp_path / "i.gz", IMAGES)
    with open_images(uri, LayoutConfig(image_shape="3x4"), "", str(tmp_path / "s"), FED) as (
        source,
        whole,
    ):
        data = bytearray(IMAGES.nbytes)
        find_feed(source.plain, source.header.data_offset).readinto(data)
        assert whole.result().expected == str(Fingerprint().extend(idx_bytes(IMAGES)))
    assert source.header.encode() + data == idx_bytes(IMAGES)
    assert not (tmp_path / "s").exists()
    assert not is_fed(source.plain)


def test_who_leaves_before_the_end_does_not_wait_for_it(tmp_path):
    large = np.zeros((100, 1000, 1000), np.uint8)
    uri = write_idx(tmp_path / "i.gz", large)
    with open_images(uri, ANY, "", str(tmp_path / "s"), FED) as (_, whole):
        pass
    assert isinstance(whole.exception(), AbandonedError)


def test_damage_reaches_the_reader(tmp_path):
    uri = write_idx(tmp_path / "i.gz", np.zeros((5, 1000, 1000), np.uint8))
    with open(uri, "r+b") as stream:
        stream.truncate(os.path.getsize(uri) - 5)
    with open_images(uri, ANY, "", str(tmp_path / "s"), FED) as (source, whole):
        with pytest.raises(DataError, match="cut short"):
            fed = find_feed(source.plain, source.header.data_offset)
            fed.readinto(bytearray(5 * 10**6 + 1))
        with pytest.raises(DataError, match="cut short"):
            whole.result()


def test_another_content_than_expected_is_refused(tmp_path):
    for name in ("l", "l.gz"):
        with pytest.raises(DataError, match="changed since it was validated"):
            open_labels(
                write_idx(tmp_path / name, LABELS), ANY, "1-00000000", str(tmp_path / "s"), IN_ORDER
            )


def test_staging_goes_and_takes_with_it_what_killed_conversions_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = (
        "import os, signal\n"
        "from idxpipe.components.convert.source import staging_folder\n"
        "with staging_folder('unused', True) as folder:\n"
        "    open(folder + '/images', 'wb').write(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    with staging_folder("unused", True) as mine:
        assert os.listdir(tmp_path) == [os.path.basename(mine)]
        with staging_folder("unused", True) as other:
            assert len({mine, other, *map(str, tmp_path.iterdir())}) == 2
    assert not os.listdir(tmp_path)


def test_distributed_workers_get_a_folder_at_the_output(tmp_path):
    with staging_folder(str(tmp_path), False) as folder:
        storage.write(f"{folder}/images", b"x")
        assert folder.startswith(str(tmp_path))
    assert not os.listdir(tmp_path)
