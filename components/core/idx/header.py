"""The IDX format: header, type codes and size arithmetic.

Source: Yann LeCun, Corinna Cortes, Christopher Burges, "The MNIST database of handwritten digits",
section "The IDX file format": two zero bytes, a type code, the number of dimensions, each dimension
as a big-endian uint32, then the data, big-endian, in C order.
"""

import dataclasses
import math
import struct
from typing import Self

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError

TYPE_CODES = {
    0x08: "uint8",
    0x09: "int8",
    0x0B: "int16",
    0x0C: "int32",
    0x0D: "float32",
    0x0E: "float64",
}
ITEM_BYTES = {"uint8": 1, "int8": 1, "int16": 2, "int32": 4, "float32": 4, "float64": 8}
MAX_HEADER_BYTES = 4 + 4 * 255
# TensorFlow holds an example, and so a record, to 2 GiB; readers hold several in memory.
MAX_RECORD_BYTES = 256 << 20
GZIP_MAGIC = b"\x1f\x8b"


@dataclasses.dataclass(frozen=True)
class Header:
    """What an IDX file says of itself.

    Attributes:
        dtype: NumPy name of the type, without byte order.
        shape: Size of each dimension; the first counts the records.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def data_offset(self) -> int:
        """Byte offset of the first record: the length of the header."""
        return 4 + 4 * len(self.shape)

    @property
    def records(self) -> int:
        """Number of records: images or labels."""
        return self.shape[0]

    @property
    def record_shape(self) -> tuple[int, ...]:
        """Shape of one record; empty for a scalar."""
        return self.shape[1:]

    @property
    def record_bytes(self) -> int:
        """Length of one record."""
        return math.prod(self.record_shape) * ITEM_BYTES[self.dtype]

    @property
    def content_bytes(self) -> int:
        """Length of the whole file, uncompressed."""
        return self.data_offset + self.records * self.record_bytes

    def offset(self, record: int) -> int:
        """Return the byte offset of a record."""
        return self.data_offset + record * self.record_bytes

    def encode(self) -> bytes:
        """Return the header's bytes."""
        code = next(code for code, dtype in TYPE_CODES.items() if dtype == self.dtype)
        return struct.pack(f">HBB{len(self.shape)}I", 0, code, len(self.shape), *self.shape)

    @classmethod
    def decode(cls, data: bytes, where: str) -> Self:
        """Parse a header from the first bytes of a file, at most `MAX_HEADER_BYTES`.

        Raises:
            DataError: If they are not the header of an IDX file, or end within it.
        """
        if data[:2] != b"\0\0":
            code, found, remedy = _looks_like(data)
            raise DataError(
                "not an IDX file",
                where=where,
                offset=0,
                expected="magic number 00 00, type, rank",
                found=found,
                remedy=remedy,
                code=code,
            )
        if len(data) < 4:
            raise _ends_early(data, 4, where)
        type_code, rank = data[2], data[3]
        if type_code not in TYPE_CODES:
            raise DataError(
                "unknown IDX type code",
                where=where,
                offset=2,
                expected=", ".join(f"0x{c:02X} {name}" for c, name in TYPE_CODES.items()),
                found=f"0x{type_code:02X}"
                + (": 16-bit numbers, it seems" if _is_wide(data) else ""),
                remedy="write the file as bytes"
                if _is_wide(data)
                else "write the file with one of these types",
                code=Code.TYPE_CODE,
            )
        if rank == 0:
            raise DataError(
                "IDX file has no dimensions",
                where=where,
                offset=3,
                expected="1 dimension for labels, 3 or 4 for images",
                found=0,
                remedy="write the file with its dimensions",
                code=Code.NO_RANK,
            )
        if len(data) < 4 + 4 * rank:
            raise _ends_early(data, 4 + 4 * rank, where)
        return cls(TYPE_CODES[type_code], struct.unpack_from(f">{rank}I", data, 4))


def _is_wide(data: bytes) -> bool:
    """Tell whether the bytes of a header were written as little-endian numbers of 16 bits."""
    return not any(data[1:16:2]) and len(data) > 8 and data[4] in TYPE_CODES and 0 < data[6] < 5


def _ends_early(data: bytes, expected: int, where: str) -> DataError:
    return DataError(
        "file ends within its header",
        where=where,
        offset=len(data),
        expected=f"a header of {expected} bytes",
        found=f"{len(data)} bytes",
        remedy="fetch the file again",
        code=Code.HEADER_CUT,
    )


_ITSELF = "check that the download is the IDX file itself"
_UNPACK = "unpack it"
_IMPORT = "make IDX files of it: idxpipe import"
# What is found under the name of an IDX file: by its first bytes, after white space for text.
_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive", f"{_UNPACK}: unzip"),
    (b"\x89PNG", "a PNG image", _IMPORT),
    (b"\xff\xd8\xff", "a JPEG image", _IMPORT),
    (b"\x93NUMPY", "a NumPy file", _IMPORT),
    (b"\x89HDF", "an HDF5 file", _ITSELF),
    (b"PAR1", "a Parquet file", _ITSELF),
    (b"BZh", "bzip2 data", f"{_UNPACK}: bunzip2"),
    (b"\xfd7zXZ", "xz data", f"{_UNPACK}: xz -d"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", f"{_UNPACK}: zstd -d"),
    (GZIP_MAGIC, "gzip data inside gzip data", f"{_UNPACK} once: gunzip"),
    (b"%PDF", "a PDF document", _ITSELF),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch what it points to: git lfs pull"),
)
_TEXTS = (
    (b"<!doctype", "an HTML page, such as a server's error page"),
    (b"<html", "an HTML page, such as a server's error page"),
    (b"<?xml", "an XML document, such as a bucket's error page"),
    (b"<error", "an XML document, such as a bucket's error page"),
    (b"{", "a JSON document, such as a server's error"),
)


def _looks_like(data: bytes) -> tuple[Code, str, str]:
    """Return what the first bytes of no IDX file are: code, words, and what to do."""
    if not data:
        return Code.EMPTY_FILE, "an empty file", "fetch the file again"
    # Source: NumPy's npyio.py, savez: a ZIP archive with a .npy file per array.
    if data.startswith(b"PK\x03\x04") and b".npy" in data[30:300]:
        return Code.OTHER_CONTENT, "a NumPy archive, .npz", _IMPORT
    for signature, name, remedy in _SIGNATURES:
        if data.startswith(signature):
            return Code.OTHER_CONTENT, name, remedy
    text = _looks_like_text(data)
    if text:
        return Code.OTHER_CONTENT, text, _ITSELF
    if data[2:4] == b"\0\0" and data[1] in TYPE_CODES and 0 < data[0] < 5:
        remedy = "write the header's numbers big-endian"
        return Code.NOT_IDX, f"bytes {data[:4].hex(' ')}: a little-endian header", remedy
    return Code.NOT_IDX, "bytes " + data[:4].hex(" "), _ITSELF


def _looks_like_text(data: bytes) -> str:
    """Return what kind of text begins so; empty if it is none."""
    text = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, name in _TEXTS:
        if text.startswith(signature):
            return name
    printable = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:64])
    return f"text: {data[:24].decode()!r}" if len(data) >= 8 and printable else ""
