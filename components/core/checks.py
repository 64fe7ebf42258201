"""What must hold of IDX files before anything is made from them.

`scan` reads one file once; `check_pair` compares an images file with its labels file.
"""

import dataclasses
import sys
from array import array
from collections.abc import Callable
from typing import Protocol

from components.core import storage
from components.core.content import is_gzip, read_chunks
from components.core.errors import DataError
from components.core.fingerprint import Fingerprint
from components.core.idx import ITEM_BYTES, MAX_HEADER_BYTES, Header
from components.core.shapes import format_shape

_ARRAY_CODES = {"uint8": "B", "int8": "b", "int16": "h", "int32": "i"}
# Enough for any header, packed or not; a remote file costs what is asked for.
_HEADER_READ_BYTES = 4096
LABEL_TYPES = tuple(_ARRAY_CODES)
# A confusion matrix of so many classes is 800 MB; one damaged int32 label would ask for 2**31.
MAX_CLASSES = 10_000


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


def read_header(uri: str) -> Header:
    """Read the header of the IDX file at `uri`; where it is not gzip, check its length too.

    Raises:
        DataError: If it is no IDX file, or is longer or shorter than its header says.
    """
    start = b""
    for chunk in read_chunks(uri, _HEADER_READ_BYTES):
        start += chunk[:MAX_HEADER_BYTES]
        if len(start) >= MAX_HEADER_BYTES:
            break
    header = Header.decode(start[:MAX_HEADER_BYTES], uri)
    if not is_gzip(uri):
        _check_length(uri, header, storage.size(uri))
    return header


def scan(
    uri: str,
    check_header: Callable[[str, Header], None],
    look: Callable[[bytes, int], None] | None = None,
) -> IdxFile:
    """Read the whole content of `uri` once and check that its header tells the truth.

    Without `look`, a plain file in a store that keeps its CRC32C is not read beyond the header.

    Args:
        uri: An IDX file, plain or gzip.
        check_header: Called with the URI and the header before any more is read.
        look: Called with each piece of the data after the header, whole items at a time, and the
            byte offset of its first byte.

    Raises:
        DataError: If it is no IDX file, is longer or shorter than its header says, or its gzip
            data is damaged.
    """
    header = read_header(uri)
    check_header(uri, header)
    compressed = is_gzip(uri)
    known = None if look or compressed else storage.stored_crc32c(uri)
    if known is not None:
        return IdxFile(uri, header, False, Fingerprint(header.content_bytes, known))
    item_bytes = ITEM_BYTES[header.dtype]
    fingerprint = Fingerprint()
    rest, skip = b"", header.data_offset
    for chunk in read_chunks(uri):
        fingerprint = fingerprint.extend(chunk)
        if fingerprint.size > header.content_bytes:
            # The rest is not read: a gzip bomb ends here.
            _check_length(uri, header, fingerprint.size, more=True)
        data = chunk[skip:]
        skip = max(0, skip - len(chunk))
        if rest:
            data = rest + data
        whole = len(data) - len(data) % item_bytes
        rest = data[whole:]
        if whole and look:
            look(data[:whole] if rest else data, fingerprint.size - len(data))
    _check_length(uri, header, fingerprint.size)
    return IdxFile(uri, header, compressed, fingerprint)


def check_images(shape: tuple[int, ...] | None) -> Callable[[str, Header], None]:
    """Return a check that a header is one of images, of `shape` if it is given.

    Args:
        shape: (height, width) or (height, width, channels) of one image; None accepts any.
    """

    def check(uri: str, header: Header) -> None:
        rank = len(header.shape)
        if rank not in (3, 4):
            labels = rank == 1
            raise DataError(
                "this is a labels file, not an images file" if labels else "not an images file",
                where=uri,
                offset=3,
                expected="3 dimensions (images, height, width) or 4 (and channels)",
                found=f"{rank} dimension{'s' if rank > 1 else ''}",
                remedy="swap the two files" if labels else "give the images file",
            )
        _check_not_empty(uri, header)
        if shape is not None and header.record_shape != shape:
            raise DataError(
                "images have another shape",
                where=uri,
                offset=8,
                expected=format_shape(shape),
                found=format_shape(header.record_shape),
                remedy="give the right file, or set image_shape to the shape of all your images",
            )

    return check


def check_labels(uri: str, header: Header) -> None:
    """Check that a header is one of labels.

    Raises:
        DataError: If it is not.
    """
    rank = len(header.shape)
    if rank != 1:
        images = rank in (3, 4)
        raise DataError(
            "this is an images file, not a labels file" if images else "not a labels file",
            where=uri,
            offset=3,
            expected="1 dimension",
            found=f"{rank} dimensions",
            remedy="swap the two files" if images else "give the labels file",
        )
    if header.dtype not in LABEL_TYPES:
        raise DataError(
            "labels are not integers",
            where=uri,
            offset=2,
            expected="one of " + ", ".join(LABEL_TYPES),
            found=header.dtype,
            remedy="write the labels as integers",
        )
    _check_not_empty(uri, header)


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
        )


class LabelScan:
    """Looks at labels as they are read: their largest value, and the first one out of range.

    Works on `array`, not NumPy: importing that takes longer than looking at MNIST's labels.

    Args:
        uri: The labels file, for the error.
        dtype: Its NumPy type, one of `LABEL_TYPES`.
        num_classes: Labels must be below; 0 allows as many as `MAX_CLASSES`.
    """

    def __init__(self, uri: str, dtype: str, num_classes: int) -> None:
        self._uri = uri
        self._code = _ARRAY_CODES[dtype]
        self._limit = num_classes or MAX_CLASSES
        self.largest = -1

    def __call__(self, data: bytes, offset: int) -> None:
        """Look at whole labels as they stand in the file, from byte `offset`."""
        labels = array(self._code, data)
        if sys.byteorder == "little":
            labels.byteswap()
        high = max(labels)
        self.largest = max(self.largest, high)
        if min(labels) >= 0 and high < self._limit:
            return
        first = next(i for i, label in enumerate(labels) if not 0 <= label < self._limit)
        raise DataError(
            "label out of range",
            where=self._uri,
            offset=offset + first * labels.itemsize,
            expected=f"0 to {self._limit - 1}",
            found=labels[first],
            remedy="mend the labels, or set num_classes to the number of classes "
            "(0 counts them from the training labels)",
        )


def scan_labels(
    uri: str, num_classes: int, look: Callable[[bytes, int], None] | None = None
) -> tuple[IdxFile, int]:
    """Scan a labels file; return it with its largest label.

    Args:
        uri: An IDX file, plain or gzip.
        num_classes: Labels must be below; 0 allows as many as `MAX_CLASSES`.
        look: Called with each piece of the labels, as by `scan`.

    Raises:
        DataError: If the file is not in order, or a label is not in [0, num_classes).
    """
    header = read_header(uri)
    check_labels(uri, header)
    labels = LabelScan(uri, header.dtype, num_classes)

    def look_at(data: bytes, offset: int) -> None:
        labels(data, offset)
        if look:
            look(data, offset)

    return scan(uri, check_labels, look_at), labels.largest


def _check_not_empty(uri: str, header: Header) -> None:
    if 0 in header.shape:
        axis = header.shape.index(0)
        raise DataError(
            "IDX file is empty" if axis == 0 else "images have no pixels",
            where=uri,
            offset=4 + 4 * axis,
            expected="at least 1",
            found=0,
            remedy="fetch or write the file again",
        )


def _check_length(uri: str, header: Header, length: int, more: bool = False) -> None:
    if length == header.content_bytes:
        return
    records = f"{header.records} x {header.record_bytes} bytes"
    short = length < header.content_bytes
    raise DataError(
        "file is cut short" if short else "file goes on after its last record",
        where=uri,
        offset=min(length, header.content_bytes),
        expected=f"{header.content_bytes} bytes (header {header.data_offset} + {records})",
        found=f"{'more than ' if more else ''}{header.content_bytes if more else length} bytes",
        remedy="fetch the file again"
        if short
        else "fetch the file again, or correct the count in its header",
    )
