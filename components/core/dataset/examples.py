"""The examples of a dataset read back, whatever its format: a matrix of them at a time."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import ARRAY_RECORD, GZIP, Dataset, Shard
from idxpipe.components.core.dataset.tfrecord import Bytes2D
from idxpipe.components.core.dataset.tfrecord_reader import decode, longest_record, read_records
from idxpipe.components.core.errors import (
    CONVERT_AGAIN,
    DataError,
    IdxpipeError,
    SetupError,
    installing,
)
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.components.core.transfer import download

_BLOCK_BYTES = 4 << 20

Examples = tuple[NDArray[np.generic], NDArray[np.int64]]
_Way = Callable[[str, Shard, int], Iterator[Bytes2D]]


def read_examples(uris: list[str], dataset: Dataset, start: int = 0) -> Iterator[Examples]:
    """Yield the examples of a dataset in the records' order, as many at a time as are at hand.

    Args:
        uris: The shards, in order.
        dataset: Their manifest.
        start: The first so many examples are left out, and the shards of them not read.

    Yields:
        Images [rows, pixels] in the dataset's dtype, labels int64 [rows].

    Raises:
        DataError: With the byte of the first damage, or if a shard is not what the manifest says.
        SetupError: If the format's package is missing, or a shard may not be read.
        TransientError: If a remote store fails again and again.
    """
    dtype = np.dtype(dataset.image_dtype).newbyteorder("<")
    for uri, shard in zip(uris, dataset.shards, strict=True):
        if start >= shard.examples:
            start -= shard.examples
            continue
        for rows, labels in read_shard(uri, shard, dataset):
            if start < len(rows):
                yield np.ascontiguousarray(rows[start:]).view(dtype), labels[start:]
            start = max(0, start - len(rows))


def regroup(examples: Iterator[Examples], rows: int) -> Iterator[Examples]:
    """Yield the same examples, `rows` at a time in arrays of their own; the last may be fewer."""
    filled = 0
    for images, labels in examples:
        taken = 0
        while taken < len(labels):
            if not filled:
                group = np.empty((rows, *images.shape[1:]), images.dtype), np.empty(rows, np.int64)
            count = min(rows - filled, len(labels) - taken)
            for target, source in zip(group, (images, labels), strict=True):
                target[filled : filled + count] = source[taken : taken + count]
            filled += count
            taken += count
            if filled == rows:
                yield group
                filled = 0
    if filled:
        yield group[0][:filled], group[1][:filled]


def read_shard(
    uri: str, shard: Shard, dataset: Dataset
) -> Iterator[tuple[Bytes2D, NDArray[np.int64]]]:
    """Yield the images and labels of a shard; by the time it ends, all of it was checked.

    Args:
        uri: The shard.
        shard: What the manifest says of it.
        dataset: The manifest.

    Yields:
        Images, uint8 [rows, image_bytes], little-endian pixels in C order; labels, int64 [rows].

    Raises:
        DataError: With the byte of the first damage, or if the shard is not what the manifest says.
        SetupError: If the format's package is missing.
    """
    ways: dict[str, _Way] = {ARRAY_RECORD: _array_records, GZIP: _packed}
    way = ways.get(dataset.file_format) or ways.get(dataset.compression) or _plain
    examples = 0
    for rows in way(uri, shard, longest_record(dataset.image_bytes)):
        examples += len(rows)
        if examples > shard.examples:
            # Without the rest, which may be a thousand times what it is packed.
            raise _another(uri, f"{shard.examples} examples", "more")
        images, labels = decode(rows, dataset.image_bytes, uri)
        if labels.max() >= dataset.num_classes:
            raise DataError(
                "label is no class of this dataset",
                where=uri,
                expected=f"0 to {dataset.num_classes - 1}",
                found=int(labels.max()),
                remedy=CONVERT_AGAIN,
            )
        yield images, labels
    if examples != shard.examples:
        raise _another(uri, f"{shard.examples} examples", f"{examples} examples")


def array_record_class(what: str) -> Any:
    """Return the `Reader` or `Writer` of the package array_record.

    Raises:
        SetupError: If it is not installed.
    """
    try:
        module = import_module("array_record.python.array_record_module")
    except ImportError:
        raise SetupError(
            "the package array_record is not installed",
            where=f"file_format={ARRAY_RECORD}",
            remedy=f"{installing('array-record')}, or take the file_format tfrecord",
        ) from None
    return getattr(module, f"ArrayRecord{what}")


def _plain(uri: str, shard: Shard, longest: int) -> Iterator[Bytes2D]:
    with storage.open_read(uri) as stream:
        content = _Fingerprinted(stream)
        yield from read_records(content, shard.bytes, uri, longest)
    _check_file(uri, shard, content.fingerprint)


def _packed(uri: str, shard: Shard, longest: int) -> Iterator[Bytes2D]:
    yield from read_records(_Chunks(read_chunks(uri)), None, uri, longest)
    _check_file(uri, shard, _fingerprint(uri))


def _array_records(uri: str, shard: Shard, longest: int) -> Iterator[Bytes2D]:
    # First: of a damaged file the package reads what it can, without a word.
    _check_file(uri, shard, _fingerprint(uri))
    with ExitStack() as stack:
        path = storage.local_path(uri)
        if not storage.is_local(uri):
            folder = stack.enter_context(temporary_folder("shard"))
            base, _, name = uri.rpartition("/")
            (path,) = download(base, folder, [name])
        with _inside(uri):
            reader = array_record_class("Reader")(path)
            stack.enter_context(_closing(reader, uri))
            count = reader.num_records()
        if count > shard.examples:
            raise _another(uri, f"{shard.examples} examples", f"{count} examples")
        at_a_time = max(1, _BLOCK_BYTES * shard.examples // max(1, shard.bytes))
        for start in range(0, count, at_a_time):
            with _inside(uri):
                records = reader.read(start, min(start + at_a_time, count))
            for length, group in itertools.groupby(records, len):
                yield np.frombuffer(b"".join(group), np.uint8).reshape(-1, length)


@contextmanager
def _closing(reader: Any, uri: str) -> Iterator[None]:
    try:
        yield
    finally:
        # It says only here what it found wrong on the way.
        with _inside(uri):
            reader.close()


@contextmanager
def _inside(uri: str) -> Iterator[None]:
    """Turn what the package array_record says of a file that is damaged inside into our error."""
    try:
        yield
    except IdxpipeError:
        raise
    except Exception as error:
        raise DataError(
            "shard is damaged inside",
            where=uri,
            expected="an ArrayRecord file",
            found=f"{type(error).__name__}: {error}",
            remedy=CONVERT_AGAIN,
        ) from None


class _Fingerprinted:
    """A stream that takes the fingerprint of what is read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.fingerprint = Fingerprint()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self.fingerprint = self.fingerprint.extend(data)
        return data


class _Chunks:
    """A stream of the pieces of another; a read gives the next one, however long it is."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int = -1) -> bytes:
        return next(self._chunks, b"")


def _fingerprint(uri: str) -> Fingerprint:
    with storage.open_read(uri) as stream:
        content = _Fingerprinted(stream)
        while content.read(_BLOCK_BYTES):
            pass
    return content.fingerprint


def _check_file(uri: str, shard: Shard, found: Fingerprint) -> None:
    if (found.size, found.crc32c) != (shard.bytes, shard.crc32c):
        listed = Fingerprint(shard.bytes, shard.crc32c)
        raise _another(uri, f"fingerprint {listed}", f"fingerprint {found}")


def _another(uri: str, expected: str, found: str) -> DataError:
    return DataError(
        "shard is not the one that the manifest lists",
        where=uri,
        expected=expected,
        found=found,
        remedy=CONVERT_AGAIN,
    )
