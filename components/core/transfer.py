"""Folders copied between a store and local disk, several files at a time."""

import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from idxpipe.components.core import storage

_FILES_AT_A_TIME = 8
_COPY_BYTES = 8 << 20


def download(uri: str, folder: str, names: Iterable[str] | None = None) -> list[str]:
    """Copy files below `uri` into the local `folder`.

    A transfer that is interrupted goes on where it was; a file that fits no checksum is an error.

    Args:
        uri: Where they are.
        folder: Local folder.
        names: Which, relative to `uri`; all by default.

    Returns:
        Their local paths, in the order of the names.

    Raises:
        DataError: If one is missing.
        SetupError: If the disk is full, or a right is missing.
        TransientError: If the store fails again and again.
    """
    chosen = list(storage.list_files(uri) if names is None else names)
    paths = [storage.join(folder, name) for name in chosen]

    def fetch(name: str, path: str) -> None:
        with (
            storage.open_read(storage.join(uri, name)) as source,
            storage.create(path) as copy,
        ):
            shutil.copyfileobj(source, copy, _COPY_BYTES)

    with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
        list(pool.map(fetch, chosen, paths))
    return paths


def upload(folder: str, uri: str, names: Iterable[str]) -> None:
    """Copy files of the local `folder` to the same names below `uri`.

    Args:
        folder: Local folder.
        uri: Where they go.
        names: Which, relative to both.

    Raises:
        SetupError: If the place cannot be written.
        TransientError: If the store fails again and again.
    """

    def send(name: str) -> None:
        storage.put(os.path.join(folder, name), storage.join(uri, name))

    with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
        list(pool.map(send, names))
