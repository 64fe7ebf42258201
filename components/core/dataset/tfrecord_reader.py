"""TFRecord files read back a matrix of records at a time, every checksum checked.

Sources: tensorflow/core/lib/io/record_reader.cc for the framing; tfrecord.py beside this file for
the layout of the examples, the only one that `decode` takes.
"""

import struct
from collections.abc import Iterator
from typing import Protocol

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.dataset.tfrecord import (
    CRC_BYTES,
    LENGTH_BYTES,
    Bytes2D,
    Template,
    mask_all,
    masked,
)
from idxpipe.components.core.errors import CONVERT_AGAIN, DataError
from idxpipe.components.core.idx.header import MAX_RECORD_BYTES

_BLOCK_BYTES = 4 << 20
_FIRST_ROWS = 64
# A label's varint.
_LABEL_BYTES = range(1, 10)


class Readable(Protocol):
    """What bytes can be read from, in order."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes, `size` at the most if that is not negative; none at the end."""


_FRAME = struct.Struct("<QI")


def read_records(
    stream: Readable, size: int | None, where: str, longest: int = MAX_RECORD_BYTES
) -> Iterator[Bytes2D]:
    """Yield the records of a file, as many at a time as have the same length and fit a block.

    Args:
        stream: The file, from its first byte.
        size: Its length in bytes; None if it is known only when it ends.
        where: What to call it in errors.
        longest: Length of the longest record, without its frame; no more is ever held.

    Yields:
        uint8 [records, bytes]: the records without their frames.

    Raises:
        DataError: With the byte offset of the first record that is damaged, too long or cut short.
    """
    held, offset, lacking = b"", 0, 1
    while more := _at_least(stream, lacking):
        held, place, most = held + more, 0, _FIRST_ROWS
        while not (lacking := _lacking(held, place, offset, size, where, longest)):
            rows = _take(held, place, offset, where, most)
            # Twice what fitted, so that where lengths alternate little is compared in vain.
            most = max(_FIRST_ROWS, 2 * len(rows))
            yield rows[:, LENGTH_BYTES:-CRC_BYTES]
            place += rows.size
            offset += rows.size
        held = held[place:]
    if held:
        raise DataError(
            "file ends within a record",
            where=where,
            offset=offset,
            expected="whole records",
            found=f"{len(held)} more bytes",
            remedy=CONVERT_AGAIN,
        )


def longest_record(image_bytes: int) -> int:
    """Return the length of the longest record of images of so many bytes, without its frame."""
    template = Template.of(image_bytes, _LABEL_BYTES[-1])
    return len(template.record) - LENGTH_BYTES - CRC_BYTES


def decode(rows: Bytes2D, image_bytes: int, where: str) -> tuple[Bytes2D, NDArray[np.int64]]:
    """Return the images and labels in records that `ExampleEncoder` wrote.

    Args:
        rows: uint8 [records, bytes], as `read_records` gives them.
        image_bytes: Length of one image.
        where: What to call the file in errors.

    Returns:
        Images, uint8 [records, image_bytes], and labels, int64 [records].

    Raises:
        DataError: If a record has a different layout.
    """
    template = _template_of(rows, image_bytes)
    if template is None:
        raise DataError(
            "records are not examples of `image` and `label` as idxpipe writes them",
            where=where,
            expected=f"images of {image_bytes} bytes and one label",
            found=f"a record of {rows.shape[1]} bytes",
            remedy="give a dataset that `idxpipe convert` made",
        )
    start = template.image - LENGTH_BYTES
    label_start = template.label - LENGTH_BYTES
    labels = np.zeros(len(rows), np.int64)
    for byte in range(template.label_bytes):
        labels |= (rows[:, label_start + byte] & 0x7F).astype(np.int64) << 7 * byte
    return rows[:, start : start + image_bytes], labels


def _at_least(stream: Readable, count: int) -> bytes:
    """Return the next bytes of a stream, `count` or more of them unless it ends."""
    parts = [stream.read(max(_BLOCK_BYTES, count))]
    while parts[-1] and sum(map(len, parts)) < count:
        parts.append(stream.read(count))
    return b"".join(parts)


def _lacking(
    held: bytes, place: int, offset: int, size: int | None, where: str, longest: int
) -> int:
    """Return how many bytes are lacking of the record that begins at a place of `held`.

    Raises:
        DataError: If its length is damaged, or cannot be.
    """
    there = len(held) - place
    if there < LENGTH_BYTES:
        return LENGTH_BYTES - there
    length: int
    length, crc = _FRAME.unpack_from(held, place)
    if masked(google_crc32c.value(held[place : place + 8])) != crc:
        raise _damaged("length of a record is damaged", where, offset)
    whole = LENGTH_BYTES + length + CRC_BYTES
    if size is not None and whole > size - offset:
        raise DataError(
            "file ends within a record",
            where=where,
            offset=offset,
            expected=f"a record of {whole} bytes",
            found=f"{size - offset} bytes to the end of the file",
            remedy=CONVERT_AGAIN,
        )
    if length > longest:
        raise DataError(
            "record is longer than one of this dataset can be",
            where=where,
            offset=offset,
            expected=f"at most {longest} bytes",
            found=f"{length} bytes",
            remedy=CONVERT_AGAIN,
        )
    return max(0, whole - there)


def _take(held: bytes, place: int, offset: int, where: str, most: int) -> Bytes2D:
    """Return framed records of one length from a place of `held`, where at least one is."""
    length, _ = _FRAME.unpack_from(held, place)
    whole = LENGTH_BYTES + length + CRC_BYTES
    count = min((len(held) - place) // whole, most)
    rows = np.frombuffer(held, np.uint8, count * whole, place).reshape(count, whole)
    same = (rows[:, :LENGTH_BYTES] == rows[0, :LENGTH_BYTES]).all(axis=1)
    rows = rows if same.all() else rows[: int(np.argmin(same))]
    found = np.fromiter(
        map(google_crc32c.value, rows[:, LENGTH_BYTES:-CRC_BYTES]), np.uint32, len(rows)
    )
    stored = np.ascontiguousarray(rows[:, -CRC_BYTES:]).view("<u4")[:, 0]
    wrong = mask_all(found) != stored
    if wrong.any():
        raise _damaged("record is damaged", where, offset + int(np.argmax(wrong)) * whole)
    return rows


def _template_of(rows: Bytes2D, image_bytes: int) -> Template | None:
    for label_bytes in _LABEL_BYTES:
        template = Template.of(image_bytes, label_bytes)
        record = np.frombuffer(template.record, np.uint8)[LENGTH_BYTES:-CRC_BYTES]
        if len(record) != rows.shape[1]:
            continue
        start = template.image - LENGTH_BYTES
        stop = template.label - LENGTH_BYTES
        fixed = np.r_[0:start, start + image_bytes : stop]
        # A varint's bytes but the last have their highest bit.
        goes_on = rows[:, stop:] >> 7
        wanted = np.r_[np.ones(label_bytes - 1, np.uint8), np.uint8(0)]
        if (rows[:, fixed] == record[fixed]).all() and (goes_on == wanted).all():
            return template
    return None


def _damaged(problem: str, where: str, offset: int) -> DataError:
    return DataError(
        problem,
        where=where,
        offset=offset,
        expected="bytes that fit their checksum",
        found="others",
        remedy=CONVERT_AGAIN,
    )
