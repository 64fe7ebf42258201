"""What must hold of IDX files before anything is made from them.

`scan` reads one file once; `check_pair` compares an images file with its labels file. Each check
raises the first fault; the functions named `..._faults` give all of them.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Protocol

from idxpipe.components.core import storage
from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx import causes
from idxpipe.components.core.idx.content import is_gzip, read_chunks, read_start
from idxpipe.components.core.idx.header import (
    ITEM_BYTES,
    MAX_HEADER_BYTES,
    MAX_RECORD_BYTES,
    Header,
)
from idxpipe.components.core.idx.labels import LABEL_TYPES, ONE_HOT, LabelCount
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.core.shapes import format_shape

# Enough for any header, packed or not; a remote file costs what is asked for.
_HEADER_READ_BYTES = 4096
# A little more than the header says is counted, to say how much; more than that is not unpacked.
_SURPLUS_BYTES = 1 << 20

_USUAL = PixelOrder()
# What channels can be, where the first of three sizes is meant as their number.
_CHANNELS = (1, 3, 4)

Look = Callable[[bytes, int], None]


@dataclasses.dataclass(frozen=True)
class IdxFile:
    """An IDX file whose header fits its length.

    Attributes:
        uri: Where it is.
        header: What it holds.
        compressed: Whether it is stored as gzip.
        fingerprint: Size and CRC32C of the uncompressed content.
    """

    uri: str
    header: Header
    compressed: bool
    fingerprint: Fingerprint


@dataclasses.dataclass(frozen=True)
class Head:
    """The beginning of an IDX file.

    Attributes:
        uri: Where it is.
        header: What it says that it holds.
        compressed: Whether it is stored as gzip.
    """

    uri: str
    header: Header
    compressed: bool


def read_head(uri: str) -> Head:
    """Read the header of the IDX file at `uri`; a few kilobytes are fetched.

    Raises:
        DataError: If it is no IDX file.
    """
    start, compressed = read_start(uri, _HEADER_READ_BYTES)
    try:
        return Head(uri, Header.decode(start[:MAX_HEADER_BYTES], uri), compressed)
    except DataError:
        if not compressed:
            raise
    # What is wrong may be the gzip data, or that more of it is needed.
    start = b""
    for chunk in read_chunks(uri, _HEADER_READ_BYTES):
        start += chunk
        if len(start) >= MAX_HEADER_BYTES:
            break
    return Head(uri, Header.decode(start[:MAX_HEADER_BYTES], uri), compressed)


def length_fault(head: Head) -> DataError | None:
    """Return the error if the file is longer or shorter than its header says.

    None, too, if it is gzip: then only reading all of it tells.
    """
    length = head.header.content_bytes if head.compressed else storage.size(head.uri)
    return _length_fault(head.uri, head.header, length)


def read_header(uri: str) -> Header:
    """Read the header of the IDX file at `uri`; where it is not gzip, check its length too.

    Raises:
        DataError: If it is no IDX file, or is longer or shorter than its header says.
    """
    return _checked_head(uri).header


def scan(
    uri: str, check_header: Callable[[str, Header], None], look: Look | None = None
) -> IdxFile:
    """Read the whole content of `uri` once and check that its header tells the truth.

    Without `look`, a plain file in a store that keeps its CRC32C is not read beyond the header.

    Args:
        uri: An IDX file, plain or gzip.
        check_header: Called with the URI and the header before any more is read.
        look: See `read_content`.

    Raises:
        DataError: If it is no IDX file, is longer or shorter than its header says, or its gzip
            data is damaged.
    """
    head = _checked_head(uri)
    check_header(uri, head.header)
    fingerprint = None if look else stored_fingerprint(head)
    return IdxFile(uri, head.header, head.compressed, fingerprint or read_content(head, look))


def stored_fingerprint(head: Head) -> Fingerprint | None:
    """Return the fingerprint of a file of the right length without reading it, if that can be.

    Stores keep the checksum of what is stored, which for gzip is not the content.
    """
    known = None if head.compressed else storage.stored_crc32c(head.uri)
    return None if known is None else Fingerprint(head.header.content_bytes, known)


def read_content(
    head: Head, look: Look | None = None, next_member: Callable[[int], None] | None = None
) -> Fingerprint:
    """Read the whole content of a file once; return its fingerprint.

    Args:
        head: Its begin.
        look: Called with each piece of the data after the header, whole items at a time, and the
            byte offset of its first byte. What goes on after the last record is not shown.
        next_member: See `read_chunks`.

    Raises:
        DataError: If it is longer or shorter than its header says, or its gzip data is damaged.
        TransientError: If it changed meanwhile.
    """
    header, uri = head.header, head.uri
    version = storage.version(uri)
    item_bytes = ITEM_BYTES[header.dtype]
    fingerprint, surplus = Fingerprint(), 0
    rest, skip = b"", header.data_offset
    for read in read_chunks(uri, next_member=next_member):
        chunk = read[: header.content_bytes - fingerprint.size]
        surplus += len(read) - len(chunk)
        if surplus > _SURPLUS_BYTES:
            break
        fingerprint = fingerprint.extend(chunk)
        data = chunk[skip:]
        skip = max(0, skip - len(chunk))
        if rest:
            data = rest + data
        whole = len(data) - len(data) % item_bytes
        rest = data[whole:]
        if whole and look:
            look(data[:whole] if rest else data, fingerprint.size - len(data))
    if surplus > _SURPLUS_BYTES and head.compressed:
        raise _bomb(head)
    fault = _length_fault(uri, header, fingerprint.size + surplus, surplus > _SURPLUS_BYTES)
    if fault:
        raise fault
    storage.check_unchanged(uri, version)
    return fingerprint


def _checked_head(uri: str) -> Head:
    head = read_head(uri)
    fault = length_fault(head)
    if fault:
        raise fault
    return head


def check_images(
    shape: tuple[int, ...] | None, order: PixelOrder = _USUAL
) -> Callable[[str, Header], None]:
    """Return a check that a header is one of images, of `shape` if it is given.

    Args:
        shape: (height, width) or (height, width, channels) of one image, upright; None accepts any.
        order: How its pixels are stored.
    """

    def check(uri: str, header: Header) -> None:
        for fault in image_faults(uri, header, shape, order):
            raise fault

    return check


def image_faults(
    uri: str, header: Header, shape: tuple[int, ...] | None, order: PixelOrder = _USUAL
) -> Iterator[DataError]:
    """Yield what is wrong with the header of an images file.

    Args:
        uri: The file.
        header: Its header.
        shape: (height, width) or (height, width, channels) of one image, upright; None accepts any.
        order: How its pixels are stored.
    """
    stored = order.unflattened(header.record_shape)
    rank = 1 + len(stored)
    if rank not in (3, 4):
        labels = rank == 1
        yield DataError(
            "this is a labels file, not an images file" if labels else "not an images file",
            where=uri,
            offset=3,
            expected="3 dimensions (images, height, width) or 4 (and channels)",
            found=f"{rank} dimension{'s' if rank > 1 else ''}" + _rows_found(header),
            remedy="swap the two files" if labels else _rank_remedy(header),
            code=Code.LABELS_AS_IMAGES if labels else Code.IMAGES_RANK,
        )
    sizes = list(size_faults(uri, header))
    yield from sizes
    if rank in (3, 4) and not sizes:
        yield from _shape_faults(uri, header, stored, shape, order)


def _shape_faults(
    uri: str,
    header: Header,
    stored: tuple[int, ...],
    shape: tuple[int, ...] | None,
    order: PixelOrder,
) -> Iterator[DataError]:
    first = len(stored) == 3 and stored[0] in _CHANNELS and min(stored[1:]) > max(_CHANNELS)
    if first and not order.channels_first and shape != stored:
        turned = dataclasses.replace(order, channels_first=True).upright(header.record_shape)
        yield DataError(
            "images are stored channels first",
            where=uri,
            offset=8,
            expected="HEIGHTxWIDTHxCHANNELS",
            found=format_shape(stored),
            remedy=f"set channels_first to true, and image_shape to {format_shape(turned)}; if the "
            f"images are {stored[0]} high, set image_shape to {format_shape(stored)}",
            code=Code.CHANNELS_FIRST,
        )
    elif shape is not None and stored != order.stored(shape):
        upright = order.upright(header.record_shape)
        yield DataError(
            "images have the wrong shape",
            where=uri,
            offset=8,
            expected=format_shape(order.stored(shape)),
            found=format_shape(stored),
            remedy=f"give the right file, or set image_shape to {format_shape(upright)} if all "
            "your images have that shape",
            code=Code.IMAGE_SHAPE,
        )


def _rows_found(header: Header) -> str:
    return f", of {header.shape[1]} numbers a record" if len(header.shape) == 2 else ""


def _rank_remedy(header: Header) -> str:
    side = math.isqrt(header.shape[1]) if len(header.shape) == 2 else 0
    if side > 1 and side * side == header.shape[1]:
        return f"if records are images of {side}x{side}, set flattened to true"
    if side:
        return "give the images file; if records are images, set flattened and image_shape"
    return "give the images file"


def check_labels(uri: str, header: Header, column: int = 0) -> None:
    """Check that a header is one of labels.

    Args:
        uri: The file.
        header: Its header.
        column: Which number of a record is the class, where records are rows.

    Raises:
        DataError: If it is not.
    """
    for fault in label_faults(uri, header, column):
        raise fault


def label_faults(uri: str, header: Header, column: int = 0) -> Iterator[DataError]:
    """Yield what is wrong with the header of a labels file; arguments as in `check_labels`."""
    rank = len(header.shape)
    if rank not in (1, 2):
        images = rank in (3, 4)
        yield DataError(
            "this is an images file, not a labels file" if images else "not a labels file",
            where=uri,
            offset=3,
            expected="1 dimension, or 2 with a class in one of the columns",
            found=f"{rank} dimensions",
            remedy="swap the two files" if images else "give the labels file",
            code=Code.IMAGES_AS_LABELS if images else Code.LABELS_RANK,
        )
    if header.dtype not in LABEL_TYPES:
        yield DataError(
            "labels are not integers",
            where=uri,
            offset=2,
            expected="one of " + ", ".join(LABEL_TYPES),
            found=header.dtype,
            remedy="write the labels as integers",
            code=Code.LABELS_TYPE,
        )
    yield from size_faults(uri, header)
    columns = header.shape[1] if rank == 2 else 1
    if column == ONE_HOT and rank == 1:
        yield DataError(
            "labels are no one-hot rows",
            where=uri,
            offset=3,
            expected="2 dimensions, as one_hot says",
            found="1 dimension",
            remedy="leave out one_hot",
            code=Code.ONE_HOT,
        )
    if rank in (1, 2) and columns and column >= columns:
        yield DataError(
            "labels have no such column",
            where=uri,
            offset=8 if rank == 2 else 3,
            expected=f"more than {column} columns, for label_column {column}",
            found=f"{columns}",
            remedy="set label_column to the column of the class, counted from 0",
            code=Code.LABEL_COLUMN,
        )


class WithHeader(Protocol):
    """A file and what it says of itself."""

    @property
    def uri(self) -> str:
        """Where it is."""

    @property
    def header(self) -> Header:
        """What it holds."""


def check_pair(images: WithHeader, labels: WithHeader) -> None:
    """Check that there is one label for each image.

    Raises:
        DataError: If there is not.
    """
    if images.header.records != labels.header.records:
        raise DataError(
            "images and labels differ in number",
            where=labels.uri,
            offset=4,
            expected=f"{images.header.records} labels, as many as images in {images.uri}",
            found=f"{labels.header.records} labels",
            remedy="take both files from the same split of the same data set",
            code=Code.COUNTS,
        )


def scan_labels(
    uri: str,
    num_classes: int,
    look: Look | None = None,
    column: int = 0,
    label_offset: int = 0,
) -> tuple[IdxFile, int]:
    """Scan a labels file; return it with its largest class.

    Args:
        uri: An IDX file, plain or gzip.
        num_classes: Labels must be below; 0 allows as many as `MAX_CLASSES`.
        look: Called with each piece of the labels, as by `scan`.
        column: Which number of a record is the label.
        label_offset: The label of class 0.

    Raises:
        DataError: If the file is not in order, a label is not in [0, num_classes), or records are
            one-hot rows and were not said to be.
    """
    header = read_header(uri)
    check_labels(uri, header, column)
    labels = LabelCount(uri, header, num_classes, column, label_offset)

    def look_at(data: bytes, offset: int) -> None:
        labels(data, offset)
        fault = labels.fault()
        if fault:
            raise fault
        if look:
            look(data, offset)

    file = scan(uri, lambda uri, header: None, look_at)
    fault = labels.rows_fault()
    if fault:
        raise fault
    return file, labels.largest


def size_faults(uri: str, header: Header) -> Iterator[DataError]:
    """Yield what is wrong with the dimensions of a header: none of a size, or too much of it."""
    if 0 in header.shape:
        axis = header.shape.index(0)
        found, remedy = _size_cause(uri, header)
        yield DataError(
            "IDX file is empty" if axis == 0 else "images have no pixels",
            where=uri,
            offset=4 + 4 * axis,
            expected="at least 1",
            found="0" + (found and f"; {found}"),
            remedy=remedy or "fetch or write the file again",
            code=Code.NO_RECORDS if axis == 0 else Code.NO_PIXELS,
        )
    if header.record_bytes > MAX_RECORD_BYTES:
        found, remedy = _size_cause(uri, header)
        yield DataError(
            "one record would be too large",
            where=uri,
            offset=8,
            expected=f"at most {MAX_RECORD_BYTES} bytes",
            # The number itself may have two thousand digits.
            found=f"more: {format_shape(header.record_shape[:8])} of {header.dtype}"
            + (found and f"; {found}"),
            remedy=remedy or "fetch the file again",
            code=Code.ABSURD,
        )


def _size_cause(uri: str, header: Header) -> tuple[str, str]:
    """Return why sizes are none, or too much, and what helps; empty if nothing is seen."""
    try:
        length = None if is_gzip(uri) else storage.size(uri)
        return causes.of_sizes(uri, header, length) or ("", "")
    except DataError:
        return "", ""


def _length_fault(uri: str, header: Header, length: int, more: bool = False) -> DataError | None:
    if length == header.content_bytes:
        return None
    records = f"{header.records} x {header.record_bytes} bytes"
    short = length < header.content_bytes
    found, remedy = (None if more else causes.of_length(uri, header, length)) or ("", "")
    return DataError(
        "file is cut short" if short else "file goes on after its last record",
        where=uri,
        offset=min(length, header.content_bytes),
        expected=f"{header.content_bytes} bytes (header {header.data_offset} + {records})",
        found=f"{'more than ' if more else ''}{length} bytes" + (found and f"; {found}"),
        remedy=remedy or "fetch the file again",
        code=Code.CUT_SHORT if short else Code.GOES_ON,
    )


def _bomb(head: Head) -> DataError:
    return DataError(
        "gzip data unpacks to much more than its header says",
        where=head.uri,
        offset=head.header.content_bytes,
        expected=f"{head.header.content_bytes} bytes",
        found=f"{_SURPLUS_BYTES} bytes more, and no end",
        remedy="fetch the file again from its publisher",
        code=Code.GZIP_BOMB,
    )
