"""The content of a file as a stream of chunks, unpacked when it is gzip, in constant memory.

Whether a file is gzip is seen from its first bytes, not its name: servers and browsers unpack
without renaming. IDX files start with two zero bytes, so the two cannot be confused.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from idxpipe.components.core import storage
from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.header import GZIP_MAGIC

CHUNK_BYTES = 1 << 20
# What is fed first of a gzip member. It doubles as the member goes on, so that of what is fed, and
# given back where the member ends, there is never much more than the member itself.
_FIRST_FED_BYTES = 256
_REFETCH = "fetch the file again, and compare its checksum with the publisher's"


def is_gzip(uri: str) -> bool:
    """Tell whether the file at `uri` starts as a gzip file does.

    Raises:
        DataError: If there is no such file.
    """
    return storage.read_start(uri, len(GZIP_MAGIC)) == GZIP_MAGIC


def read_start(uri: str, length: int) -> tuple[bytes, bool]:
    """Return what the first `length` bytes of a file say of its content, and whether it is gzip.

    Of gzip it is what they unpack to, at most as many, and none if they are damaged.

    Raises:
        DataError: If there is no such file.
    """
    start = storage.read_start(uri, length)
    if not start.startswith(GZIP_MAGIC):
        return start, False
    from isal import igzip_lib, isal_zlib

    try:
        return bytes(isal_zlib.decompressobj(31).decompress(start, length)), True
    except igzip_lib.IsalError:  # type: ignore[misc]
        return b"", True


def read_chunks(
    uri: str, size: int = CHUNK_BYTES, next_member: Callable[[int], None] | None = None
) -> Iterator[bytes]:
    """Yield the content of `uri`, at most `size` bytes at a time.

    Args:
        uri: A file, plain or gzip.
        size: The most that is held at a time.
        next_member: Called with the offset into the content where each gzip member but the first
            begins.

    Raises:
        DataError: If there is no such file, or its gzip data is cut short, damaged or followed by
            something else.
    """
    with storage.open_read(uri) as stream:
        first = stream.read(size)
        if first.startswith(GZIP_MAGIC):
            yield from _unpack(uri, first, stream, size, next_member)
            return
        while first:
            yield first
            first = stream.read(size)


def _unpack(
    uri: str,
    block: bytes,
    stream: BinaryIO,
    size: int,
    next_member: Callable[[int], None] | None,
) -> Iterator[bytes]:
    from isal import igzip_lib, isal_zlib

    done, place, feed = 0, 0, _FIRST_FED_BYTES
    packed = b""
    member = isal_zlib.decompressobj(31)
    while True:
        if not packed:
            if place == len(block):
                block, place = stream.read(size), 0
            packed = block[place : place + feed]
            place += len(packed)
            feed = min(2 * feed, size)
        ended = not packed
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
                code=Code.GZIP_DAMAGED,
            ) from None
        done += len(data)
        if data:
            yield data
        if not member.eof:
            packed = member.unconsumed_tail
            # With output still pending inside the decompressor, it may want no input.
            if ended and not data:
                raise DataError(
                    "gzip data is cut short",
                    where=uri,
                    offset=done,
                    expected="a gzip trailer",
                    found="the end of the file, as an interrupted download leaves it",
                    remedy=_REFETCH,
                    code=Code.GZIP_CUT,
                )
            continue
        packed = b""
        place -= len(member.unused_data)
        feed = _FIRST_FED_BYTES
        if place == len(block):
            block, place = stream.read(size), 0
        if not block:
            return
        begin = block[place : place + len(GZIP_MAGIC)]
        if begin != GZIP_MAGIC[: len(begin)]:
            raise DataError(
                "gzip data is followed by something else",
                where=uri,
                offset=done,
                expected="the end of the file, or another gzip member",
                found=f"bytes {block[place : place + 4].hex(' ')}",
                remedy=_REFETCH,
                code=Code.GZIP_TRAILING,
            )
        if next_member:
            next_member(done)
        member = isal_zlib.decompressobj(31)
