"""The content of a file as a stream of chunks, unpacked when it is gzip, in constant memory.

Whether a file is gzip is seen from its first bytes, not its name: servers and browsers unpack
without renaming. IDX files start with two zero bytes, so the two cannot be confused.
"""

from collections.abc import Iterator
from typing import BinaryIO

from components.core import storage
from components.core.errors import DataError
from components.core.idx import GZIP_MAGIC

CHUNK_BYTES = 1 << 20
_REFETCH = "fetch the file again, and compare its checksum with the publisher's"


def is_gzip(uri: str) -> bool:
    """Tell whether the file at `uri` starts as a gzip file does.

    Raises:
        DataError: If there is no such file.
    """
    with storage.open_read(uri) as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def read_chunks(uri: str, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the content of `uri`, at most `size` bytes at a time.

    Raises:
        DataError: If there is no such file, or its gzip data is cut short, damaged or followed by
            something else.
    """
    with storage.open_read(uri) as stream:
        first = stream.read(size)
        if first.startswith(GZIP_MAGIC):
            yield from _unpack(uri, first, stream, size)
            return
        while first:
            yield first
            first = stream.read(size)


def _unpack(uri: str, packed: bytes, stream: BinaryIO, size: int) -> Iterator[bytes]:
    from isal import igzip_lib, isal_zlib

    done = 0
    member = isal_zlib.decompressobj(31)
    while True:
        try:
            data = member.decompress(packed, size)
        except igzip_lib.IsalError as error:  # type: ignore[misc]
            raise DataError(
                "gzip data is damaged",
                where=uri,
                offset=done,
                expected="data that fits its checksum",
                found=str(error),
                remedy=_REFETCH,
            ) from None
        done += len(data)
        if data:
            yield data
        if not member.eof:
            packed = member.unconsumed_tail or stream.read(size)
            # With output still pending inside the decompressor, it may want no input.
            if not packed and not data:
                raise DataError(
                    "gzip data is cut short",
                    where=uri,
                    offset=done,
                    expected="a gzip trailer",
                    found="the end of the file, as an interrupted download leaves it",
                    remedy=_REFETCH,
                )
            continue
        packed = member.unused_data or stream.read(size)
        if not packed:
            return
        if not packed.startswith(GZIP_MAGIC[: len(packed)]):
            raise DataError(
                "gzip data is followed by something else",
                where=uri,
                offset=done,
                expected="the end of the file, or another gzip member",
                found=f"bytes {packed[:4].hex(' ')}",
                remedy=_REFETCH,
            )
        member = isal_zlib.decompressobj(31)
