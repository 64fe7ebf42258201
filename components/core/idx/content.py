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
# In packed bytes every 256th is a LF, and follows a CR by chance.
_LOOKED_AT_BYTES = 1 << 16
_MANY_FEEDS = 4
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
    """Yield what the members of a gzip file hold, one after the other."""
    feed = _Feed(block, stream, size)
    done = 0
    while True:
        for data in _member(uri, feed, size, done):
            done += len(data)
            yield data
        begin = feed.peek()
        if not begin or feed.is_padding():
            return
        if not begin.startswith(GZIP_MAGIC[: len(begin)]):
            raise _fault(
                uri,
                done,
                "gzip data is followed by something else",
                "the end of the file, or another gzip member",
                f"bytes {begin.hex(' ')}",
                Code.GZIP_TRAILING,
            )
        if next_member:
            next_member(done)


def _member(uri: str, feed: "_Feed", size: int, done: int) -> Iterator[bytes]:
    """Yield what one gzip member holds; `done` bytes of content came before it."""
    from isal import igzip_lib, isal_zlib

    member = isal_zlib.decompressobj(31)
    packed = b""
    feed.begin()
    while not member.eof:
        packed = packed or feed.take()
        ended = not packed
        try:
            data = member.decompress(packed, size)
        except igzip_lib.IsalError as error:  # type: ignore[misc]
            problem, expected = "gzip data is damaged", "data that fits its checksum"
            found = str(error) + _text_mode(uri)
            raise _fault(uri, done, problem, expected, found, Code.GZIP_DAMAGED) from None
        done += len(data)
        if data:
            yield data
        # With output still pending inside the decompressor, it may want no input.
        elif ended and not member.eof:
            found = "the end of the file, as an interrupted download leaves it"
            problem, expected = "gzip data is cut short", "a gzip trailer"
            raise _fault(uri, done, problem, expected, found, Code.GZIP_CUT)
        packed = member.unconsumed_tail
    feed.give_back(len(member.unused_data))


class _Feed:
    """Packed bytes of a file, a few at a time."""

    def __init__(self, block: bytes, stream: BinaryIO, size: int) -> None:
        self._block = block
        self._stream = stream
        self._size = size
        self._place = 0
        self._length = _FIRST_FED_BYTES

    def begin(self) -> None:
        """Take note that a member begins."""
        self._length = _FIRST_FED_BYTES

    def take(self) -> bytes:
        """Return the next bytes, more each time; none at the end of the file."""
        self._refill()
        taken = self._block[self._place : self._place + self._length]
        self._place += len(taken)
        self._length = min(2 * self._length, self._size)
        return taken

    def give_back(self, length: int) -> None:
        """Put the last `length` bytes that were taken back."""
        self._place -= length

    def peek(self) -> bytes:
        """Return up to four bytes that come next, and leave them."""
        self._refill()
        return self._block[self._place : self._place + 4]

    def is_padding(self) -> bool:
        """Tell whether nothing but zeros comes, as tapes leave it; `gzip -t` accepts it, too."""
        while True:
            self._refill()
            if self._place == len(self._block):
                return True
            if any(self._block[self._place :]):
                return False
            self._place = len(self._block)

    def _refill(self) -> None:
        if self._place == len(self._block):
            self._block, self._place = self._stream.read(self._size), 0


def _text_mode(uri: str) -> str:
    """Say so, if text mode seems to have put a CR before each LF of a packed file."""
    start = storage.read_start(uri, _LOOKED_AT_BYTES)
    feeds = start.count(b"\n")
    as_text = feeds >= _MANY_FEEDS and start.count(b"\r\n") == feeds
    return "; each LF follows a CR: it was transferred in text mode" if as_text else ""


def _fault(uri: str, offset: int, problem: str, expected: str, found: str, code: Code) -> DataError:
    return DataError(
        problem,
        where=uri,
        offset=offset,
        expected=expected,
        found=found,
        remedy=_REFETCH,
        code=code,
    )
