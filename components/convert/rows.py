"""The images and labels of one shard, a chunk at a time, and the fingerprint of what was read."""

import atexit
import dataclasses
import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.convert.feed import find_feed
from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.source import check_content
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.stores.temporary import make_folder

# About 1.7 MB of 28x28 images: rows and records stay in the second-level cache.
CHUNK_ROWS = 2048
CHUNK_BYTES = 4 << 20

Bytes = bytes | NDArray[np.uint8]
Reader = Callable[[NDArray[np.int64]], "Chunk"]


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some rows of the source; valid until the next are read.

    Attributes:
        images: What was read of the images file.
        labels: What was read of the labels file, as many.
        kept: bool [rows], which of them belong to the dataset; None stands for all.
    """

    images: Bytes
    labels: Bytes
    kept: NDArray[np.bool_] | None


def chunk_rows(images: Header) -> int:
    """Return the most rows of a chunk."""
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.record_bytes))


def read_chunks(task: ShardTask) -> Iterator[Chunk]:
    """Yield what a shard is made from, in its order.

    Raises:
        DataError: If a source is shorter than its header says.
    """
    with ExitStack() as stack:
        read = _ranges(task, stack) if task.selection.in_sequence else _scattered(task, stack)
        rows = chunk_rows(task.images.header)
        for start in range(task.start, task.stop, rows):
            yield read(np.arange(start, min(start + rows, task.stop)))


def numbers(data: Bytes, header: Header) -> NDArray[np.generic]:
    """Return the numbers in some bytes of an IDX file, in its big-endian type."""
    return np.frombuffer(data, np.dtype(header.dtype).newbyteorder(">"))


def _ranges(task: ShardTask, stack: ExitStack) -> Reader:
    images = _Range(task.images.plain, task.images.header, task, stack)
    labels = _Range(task.labels.plain, task.labels.header, task, stack)

    def read(positions: NDArray[np.int64]) -> Chunk:
        image_bytes, label_bytes = images.read(len(positions)), labels.read(len(positions))
        if task.selection.keeps_all:
            return Chunk(image_bytes, label_bytes, None)
        return Chunk(image_bytes, label_bytes, task.selection.keeps(positions, positions))

    return read


class _Range:
    """Records of an IDX file in their order, from one of them on, read into the same memory."""

    def __init__(self, uri: str, header: Header, task: ShardTask, stack: ExitStack) -> None:
        self._uri = uri
        self._record_bytes = header.record_bytes
        offset = header.offset(task.start)
        fed = find_feed(uri, offset)
        self._stream: Any = fed or stack.enter_context(storage.open_read(uri, offset))
        # Fresh memory for each chunk costs as much as all that is done with it.
        rows = min(chunk_rows(task.images.header), task.stop - task.start)
        self._memory = np.empty(rows * header.record_bytes, np.uint8)

    def read(self, count: int) -> NDArray[np.uint8]:
        """Return the bytes of the next records: uint8 [bytes], valid until the next call."""
        wanted = self._memory[: count * self._record_bytes]
        found = self._stream.readinto(wanted)
        _check_length(found, len(wanted), self._uri)
        return wanted


def _scattered(task: ShardTask, stack: ExitStack) -> Reader:
    images = stack.enter_context(
        _Records(task.images.plain, task.images.header, task.images.expected)
    )
    labels = stack.enter_context(
        _Records(task.labels.plain, task.labels.header, task.labels.expected)
    )

    def read(positions: NDArray[np.int64]) -> Chunk:
        indices = task.selection.indices(positions)
        label_bytes = labels.read(indices)
        if not task.selection.keeps_all:
            values = task.labels.labels(label_bytes)
            kept = task.selection.keeps(positions, indices, values.astype(np.int64))
            indices, label_bytes = indices[kept], labels.read(indices[kept])
        return Chunk(images.read(indices), label_bytes, None)

    return read


class _Records:
    """Records of an IDX file by their numbers."""

    def __init__(self, uri: str, header: Header, content: str) -> None:
        self._uri = uri
        self._header = header
        path = storage.local_path(uri) if storage.is_local(uri) else _copy(uri, content)
        self._descriptor = os.open(path, os.O_RDONLY)

    def __enter__(self) -> "_Records":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, indices: NDArray[np.int64]) -> bytes:
        """Return the bytes of these records, one after the other."""
        length = self._header.record_bytes
        offsets = (self._header.data_offset + indices * length).tolist()
        # Not mapped into memory: a file that became shorter would end the process.
        data = b"".join(map(os.pread, repeat(self._descriptor), repeat(length), offsets))
        _check_length(len(data), len(indices) * length, self._uri)
        return data


_copying = threading.Lock()


def _copy(uri: str, content: str) -> str:
    """Return a copy of a remote file on this worker's disk, made once."""
    with _copying:
        return _copy_once(uri, content)


@functools.cache
def _copy_once(uri: str, content: str) -> str:
    folder, _ = make_folder("source")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "source")
    found = Fingerprint()
    with storage.open_read(uri) as source, storage.create(path) as copy:
        while block := source.read(CHUNK_BYTES):
            found = found.extend(block)
            copy.write(block)
    check_content(uri, content, found)
    return path


def _check_length(found: int, length: int, uri: str) -> None:
    if found != length:
        raise DataError(
            "file became shorter while it was read",
            where=uri,
            expected=f"{length} more bytes",
            found=f"{found} bytes",
            remedy="leave the file alone until the conversion ends, then convert again",
        )
