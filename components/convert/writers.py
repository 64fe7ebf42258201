"""The file formats of a shard, each as something that takes encoded records."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.examples import array_record_class
from idxpipe.components.core.dataset.manifest import ARRAY_RECORD, GZIP
from idxpipe.components.core.dataset.tfrecord import CRC_BYTES, LENGTH_BYTES
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.stores.temporary import temporary_folder

# Faster than zlib's by a factor of five; its higher levels are no smaller for images.
_GZIP_LEVEL = 1
_BLOCK_BYTES = 4 << 20

Lengths = Callable[[], NDArray[np.int64]]


class ShardWriter:
    """Takes framed TFRecord records and keeps the fingerprint of the file that they become.

    Args:
        write: Where the bytes of the file go.
    """

    def __init__(self, write: Callable[[Any], object]) -> None:
        self._write = write
        self.fingerprint = Fingerprint()

    def write(self, records: NDArray[np.uint8], lengths: Lengths) -> None:
        """Append framed records.

        Args:
            records: uint8 [bytes], one record after the other.
            lengths: Gives the bytes of each with its frame, int64 [records].
        """
        self._append(records)

    def close(self) -> None:
        """Append what ends the file."""

    def _append(self, data: Any) -> None:
        self.fingerprint = self.fingerprint.extend(data)
        self._write(data)


class GzipWriter(ShardWriter):
    """Packs the whole file as one gzip member, as TensorFlow's readers want it."""

    def __init__(self, write: Callable[[Any], object]) -> None:
        from isal import isal_zlib

        super().__init__(write)
        self._packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, 31)

    def write(self, records: NDArray[np.uint8], lengths: Lengths) -> None:
        """Append framed records."""
        self._append(self._packer.compress(records))

    def close(self) -> None:
        """Append what ends the file."""
        self._append(self._packer.flush())


class ArrayRecordWriter(ShardWriter):
    """Writes array_record files, one record a group, so that each can be read by itself.

    Source: https://github.com/google/array_record, "group_size" in its README.
    """

    def __init__(self, write: Callable[[Any], object], scratch: str) -> None:
        super().__init__(write)
        self._path = os.path.join(scratch, "shard")
        self._writer = array_record_class("Writer")(self._path, "group_size:1,uncompressed")

    def write(self, records: NDArray[np.uint8], lengths: Lengths) -> None:
        """Append records; the frames are left out, the format has its own."""
        sizes = lengths()
        ends = np.cumsum(sizes)
        data = records.tobytes()
        for start, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True):
            self._writer.write(data[start + LENGTH_BYTES : end - CRC_BYTES])

    def close(self) -> None:
        """Append what ends the file."""
        self._writer.close()
        with open(self._path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                self._append(block)


@contextmanager
def open_shard(uri: str, file_format: str, compression: str) -> Iterator[ShardWriter]:
    """Yield a writer; the file appears at `uri` at the end, unless there is an error.

    Raises:
        SetupError: If the place cannot be written, or the format's package is missing.
    """
    with storage.create(uri) as stream:
        if file_format == ARRAY_RECORD:
            with temporary_folder("shard") as scratch:
                writer: ShardWriter = ArrayRecordWriter(stream.write, scratch)
                yield writer
                writer.close()
            return
        writer = GzipWriter(stream.write) if compression == GZIP else ShardWriter(stream.write)
        yield writer
        writer.close()


def check_format(file_format: str) -> None:
    """Check that shards of this format can be written here.

    Raises:
        SetupError: If the package is missing.
    """
    if file_format == ARRAY_RECORD:
        array_record_class("Writer")
