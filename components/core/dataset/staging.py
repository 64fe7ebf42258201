"""Remote files on local disk for as long as a library reads them that knows no remote ones."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import google_crc32c

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import CONVERT_AGAIN, DataError, SetupError
from idxpipe.components.core.narration import say
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.components.core.transfer import download

_BLOCK_BYTES = 4 << 20


@contextmanager
def staged_shards(uris: list[str], dataset: Dataset, stage_bytes: int) -> Iterator[list[str]]:
    """Yield the shards of a dataset as paths or URIs to read.

    Local ones are read where they are, and those on gs:// if they are more than `stage_bytes` in
    all; everything else is copied first.

    Args:
        uris: The shards, in order.
        dataset: Their manifest.
        stage_bytes: The most that is copied from gs://.

    Raises:
        DataError: If a shard is not what the manifest says.
        SetupError: If they do not fit on the disk.
        TransientError: If the store fails again and again.
    """
    size = sum(shard.bytes for shard in dataset.shards)
    remote = [uri for uri in uris if not storage.is_local(uri)]
    if not remote or (storage.scheme(remote[0]) == "gs" and size > stage_bytes):
        yield [uri if uri in remote else storage.local_path(uri) for uri in uris]
        return
    with temporary_folder("records") as folder:
        _check_space(folder, size)
        base = remote[0].rpartition("/")[0]
        say(f"copying {size / 1e6:.1f} MB of records from {base}")
        paths = download(base, folder, [shard.name for shard in dataset.shards])
        for path, uri, shard in zip(paths, uris, dataset.shards, strict=True):
            _check_content(path, uri, shard.bytes, shard.crc32c)
        yield paths


@contextmanager
def local_copy(uri: str, without: Collection[str] = ()) -> Iterator[str]:
    """Yield a local path of the folder `uri`: its own if it is local, else that of a copy.

    Args:
        uri: The folder.
        without: Names of files in it that a copy need not have.

    Raises:
        SetupError: If it does not fit on the disk.
        TransientError: If the store fails again and again.
    """
    if storage.is_local(uri):
        yield storage.local_path(uri)
        return
    with temporary_folder("copy") as folder:
        download(uri, folder, [name for name in storage.list_files(uri) if name not in without])
        yield folder


def _check_space(folder: str, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise SetupError(
            "records do not fit on the local disk",
            where=folder,
            expected=f"{size} bytes free",
            found=f"{free} bytes",
            remedy="free disk space, set TMPDIR to a folder that has some, or lower stage_bytes "
            "(gs:// is then streamed)",
        )


def _check_content(path: str, uri: str, size: int, crc32c: int) -> None:
    found_size = found = 0
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            found_size += len(block)
            found = google_crc32c.extend(found, block)
    if (found_size, found) != (size, crc32c):
        raise DataError(
            "shard is not what the manifest says",
            where=uri,
            expected=f"{size} bytes, CRC32C {crc32c:08x}",
            found=f"{found_size} bytes, CRC32C {found:08x}",
            remedy=CONVERT_AGAIN,
        )
