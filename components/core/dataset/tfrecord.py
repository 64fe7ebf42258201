"""`tf.train.Example` records as bytes, a matrix of them at a time, framed as TFRecord.

Sources: tensorflow/core/example/example.proto and feature.proto for the messages,
tensorflow/core/lib/io/record_writer.h for the framing: length as uint64, its masked CRC32C, the
data, its masked CRC32C, all little-endian.
"""

import dataclasses
import struct
from functools import cached_property
from typing import Self

import google_crc32c
import numpy as np
from numpy.typing import NDArray

_MASK_DELTA = 0xA282EAD8
LENGTH_BYTES = 12
CRC_BYTES = 4

Bytes2D = NDArray[np.uint8]


def masked(crc: int) -> int:
    """Return a CRC32C rotated and offset as TFRecord stores it."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def mask_all(crcs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return what `masked` gives for each CRC32C."""
    return (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(_MASK_DELTA)


def varint(value: int) -> bytes:
    """Return a non-negative `value` as a protocol buffers varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@dataclasses.dataclass(frozen=True)
class Template:
    """One framed record with holes for the image, the label and the checksum.

    Attributes:
        record: The bytes of the record, holes zero.
        image: Byte offset of the image.
        label: Byte offset of the label.
        label_bytes: Length of the label's varint.
    """

    record: bytes
    image: int
    label: int
    label_bytes: int

    @classmethod
    def of(cls, image_bytes: int, label_bytes: int) -> Self:
        """Return the template for images and labels of these lengths in bytes."""
        # Fields: Example.features 1, Features.feature 1 with key 1 and value 2, and of Feature
        # bytes_list 1, int64_list 3; both lists hold their values in field 1.
        # Keys sorted, as SerializeToString(deterministic=True) writes them.
        image_head, image = _entry(b"image", b"\x0a", image_bytes)
        label_head, label = _entry(b"label", b"\x1a", label_bytes)
        features = image_head + image + label_head + label
        example = b"\x0a" + varint(len(features)) + features
        length = struct.pack("<Q", len(example))
        frame = length + struct.pack("<I", masked(google_crc32c.value(length)))
        record = frame + example + bytes(CRC_BYTES)
        label_at = len(record) - CRC_BYTES - label_bytes
        image_at = label_at - len(label_head) - image_bytes
        return cls(record, image_at, label_at, label_bytes)


def _entry(key: bytes, kind: bytes, value_bytes: int) -> tuple[bytes, bytes]:
    """Return a map entry of one value: the bytes before the value, and the value as zeros."""
    value = bytes(value_bytes)
    item = b"\x0a" + varint(value_bytes)
    feature_list = kind + varint(len(item) + value_bytes) + item
    body = b"\x0a" + varint(len(key)) + key
    body += b"\x12" + varint(len(feature_list) + value_bytes) + feature_list
    return b"\x0a" + varint(len(body) + value_bytes) + body, value


class ExampleEncoder:
    """Turns rows of pixels and labels into framed records.

    All records with a label below 128 have the same bytes but for the image, the label and the
    checksum, so a whole chunk is filled as one matrix.

    Args:
        image_bytes: Length of one image.
        max_rows: Most examples that one call to `encode` takes.
    """

    def __init__(self, image_bytes: int, max_rows: int = 2048) -> None:
        self._image_bytes = image_bytes
        self._max_rows = max_rows
        self._matrices: dict[int, tuple[Template, Bytes2D]] = {}

    @cached_property
    def record_bytes(self) -> int:
        """Length of a framed record with a label below 128."""
        return len(Template.of(self._image_bytes, 1).record)

    def encode(self, images: Bytes2D, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the framed records of one chunk, one after the other.

        Args:
            images: uint8 [rows, image_bytes], little-endian pixels in C order.
            labels: int64 [rows], not negative.

        Returns:
            uint8 [bytes]; valid until the next call.
        """
        widths = _varint_bytes(labels)
        if widths.size and widths.min() == widths.max():
            return self._fill(images, labels, int(widths[0])).reshape(-1)
        return self._mixed(images, labels, widths)

    def lengths(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the length of each framed record: int64 [rows]."""
        widths = _varint_bytes(labels)
        by_width = np.zeros(int(widths.max(initial=0)) + 1, np.int64)
        for width in np.unique(widths):
            by_width[width] = len(Template.of(self._image_bytes, int(width)).record)
        return by_width[widths]

    def _fill(self, images: Bytes2D, labels: NDArray[np.int64], width: int) -> Bytes2D:
        if width not in self._matrices:
            template = Template.of(self._image_bytes, width)
            row = np.frombuffer(template.record, np.uint8)
            self._matrices[width] = template, np.tile(row, (self._max_rows, 1))
        template, matrix = self._matrices[width]
        rows = matrix[: len(images)]
        rows[:, template.image : template.image + self._image_bytes] = images
        for byte in range(width):
            more = 0x80 if byte < width - 1 else 0
            rows[:, template.label + byte] = labels >> 7 * byte & 0x7F | more
        # A C function mapped over the rows: no Python code runs per example.
        values = map(google_crc32c.value, rows[:, LENGTH_BYTES:-CRC_BYTES])
        crcs = np.fromiter(values, np.uint32, len(rows))
        rows[:, -CRC_BYTES:] = mask_all(crcs).astype("<u4").view(np.uint8).reshape(-1, CRC_BYTES)
        return rows

    def _mixed(
        self, images: Bytes2D, labels: NDArray[np.int64], widths: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Encode a chunk whose labels differ in width: group by width, then put back in order."""
        groups = {}
        lengths = np.zeros(len(labels), np.int64)
        for width in np.unique(widths):
            rows = np.flatnonzero(widths == width)
            groups[int(width)] = rows, self._fill(images[rows], labels[rows], int(width))
            lengths[rows] = groups[int(width)][1].shape[1]
        ends = np.cumsum(lengths)
        out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
        for rows, matrix in groups.values():
            places = (ends - lengths)[rows, None] + np.arange(matrix.shape[1])
            out[places] = matrix
        return out


def _varint_bytes(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    limits = 1 << 7 * np.arange(1, 9, dtype=np.int64)
    return 1 + np.searchsorted(limits, labels, side="right")
