"""Why the length of a file does not fit its header: causes that leave traces, and what helps.

A guess that fits to the byte is said as such; the fault itself stays what it is.
"""

import codecs
import math
import struct

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.content import CHUNK_BYTES, read_chunks, read_start
from idxpipe.components.core.idx.header import ITEM_BYTES, MAX_RECORD_BYTES, Header

_SIXTEEN_BITS = 1 << 16
# A file that takes longer to read than an answer is worth.
_MOST_READ_BYTES = 1 << 30
# So many pairs of CR and LF are expected in random bytes before their absence says something.
_FEWEST_PAIRS = 3
_PAIR_IN = 65_536
_START_BYTES = 4096
_FEW = 8
_BINARY = "transfer or write it again in binary mode"

Cause = tuple[str, str]


def byte_order(header: Header, length: int | None) -> Cause | None:
    """Return the cause if dimensions that are read in the other byte order fit the length.

    Args:
        header: As it is read.
        length: Of the whole content; None if it is not known.
    """
    swapped = tuple(struct.unpack("<I", struct.pack(">I", size))[0] for size in header.shape)
    shapes = {"dimensions are": swapped, "count is": (swapped[0], *header.shape[1:])}
    for what, shape in shapes.items():
        other = Header(header.dtype, shape)
        if shape == header.shape or 0 in shape or other.record_bytes > MAX_RECORD_BYTES:
            continue
        if other.content_bytes == length:
            found = f"the {what} little-endian: {'x'.join(map(str, shape))} fits"
            return found, "write the header's numbers big-endian"
    return None


def of_length(uri: str, header: Header, length: int) -> Cause | None:
    """Return why a file is longer or shorter than its header says; None if nothing is seen.

    Args:
        uri: The file; it is read where its bytes tell.
        header: What it says.
        length: Of its content.
    """
    surplus = length - header.content_bytes
    records = surplus // header.record_bytes if header.record_bytes else 0
    whole = records * header.record_bytes == surplus
    if surplus > 0 and whole and header.records and records % _SIXTEEN_BITS == 0:
        right = header.records + records
        return (
            f"{records} records more: the count was written in 16 bits",
            f"write the count in 32 bits: {right}",
        )
    return _of_line_ends(uri, header, length) or of_sizes(uri, header, length)


def _of_line_ends(uri: str, header: Header, length: int) -> Cause | None:
    surplus = length - header.content_bytes
    if max(length, header.content_bytes) > _MOST_READ_BYTES:
        return None
    try:
        pairs, end = _line_ends(uri)
    except DataError:
        return None
    expected = header.content_bytes / _PAIR_IN
    if surplus > 0 and end.strip(b"\r\n") == b"" and len(end) == surplus:
        return "a line end after the last record", "cut it off: it is none of the data"
    if 0 < surplus == pairs:
        return f"{pairs} pairs of CR and LF, as text mode makes of LF", _BINARY
    if expected > _FEWEST_PAIRS and pairs * _FEW < expected and 0 < -surplus <= expected:
        return "hardly a pair of CR and LF in it, as text mode leaves it", _BINARY
    return None


def of_sizes(uri: str, header: Header, length: int | None) -> Cause | None:
    """Return why a header says nothing, or more than there can be; None if nothing is seen.

    Args:
        uri: The file, whose beginning is read.
        header: What it says.
        length: Of its content; None if it is not known.

    Raises:
        DataError: If the file is gone.
    """
    if length and not header.records and header.record_bytes:
        records, rest = divmod(length - header.data_offset, header.record_bytes)
        if records and not rest:
            return f"{records} records after a count that was never written", f"write it: {records}"
    return byte_order(header, length) or of_header(read_start(uri, _START_BYTES)[0])


def of_header(start: bytes) -> Cause | None:
    """Return why a header says what cannot be; None if nothing is seen.

    Args:
        start: The first bytes of a file.
    """
    if b"\xef\xbf\xbd" in start[:64]:
        return "the bytes EF BF BD, which text in UTF-8 has for what is no text", _BINARY
    if b"\r\n" in start[:20]:
        return "a pair of CR and LF in the header, as text mode makes of LF", _BINARY
    if _is_latin(start):
        return "bytes that were taken for Latin-1 text, and written as UTF-8", _BINARY
    return None


def _is_latin(start: bytes) -> bool:
    try:
        # Not to its end, where a letter may be cut.
        text = codecs.getincrementaldecoder("utf-8")().decode(start).encode("latin-1")
        header = Header.decode(text[:20], "")
    except (UnicodeError, DataError):
        return False
    high = any(byte > 127 for byte in start[:16])
    return high and 0 < math.prod(header.record_shape) * ITEM_BYTES[header.dtype] < len(start) << 10


def _line_ends(uri: str) -> tuple[int, bytes]:
    """Return how many CR LF a file has, and its line ends at the very end, at most 2 bytes."""
    pairs, last = 0, b""
    for chunk in read_chunks(uri, CHUNK_BYTES):
        pairs += chunk.count(b"\r\n") + (last[-1:] == b"\r" and chunk[:1] == b"\n")
        last = (last + chunk[-2:])[-2:]
    return pairs, last if last == b"\r\n" else last[-1:]
