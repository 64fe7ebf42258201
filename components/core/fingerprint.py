"""The identity of a file's content: its size and CRC32C, however it is stored.

Google Cloud Storage keeps the same checksum for every object, so a fingerprint of an uncompressed
object costs no download.
"""

import dataclasses
from typing import Any, Self

import google_crc32c

from idxpipe.components.core.errors import UsageError

# Castagnoli's polynomial with the bits reversed (RFC 3720, appendix B.4).
_POLYNOMIAL = 0x82F63B78
_X0 = 1 << 31
_X8 = 1 << 23


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """Size in bytes and CRC32C of some content.

    Attributes:
        size: Length of the content in bytes.
        crc32c: Its CRC32C, as an unsigned 32-bit number.
    """

    size: int = 0
    crc32c: int = 0

    def __str__(self) -> str:
        return f"{self.size}-{self.crc32c:08x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what `str` gives.

        Raises:
            UsageError: If `text` is anything else.
        """
        size, _, crc = text.partition("-")
        try:
            return cls(int(size), int(crc, 16))
        except ValueError:
            raise UsageError(
                "not a fingerprint", expected="SIZE-CRC32C, as validate prints it", found=repr(text)
            ) from None

    def extend(self, data: Any) -> "Fingerprint":
        """Return the fingerprint of this content followed by `data`: bytes, or uint8 [bytes]."""
        return Fingerprint(self.size + len(data), google_crc32c.extend(self.crc32c, data))

    def join(self, following: "Fingerprint") -> "Fingerprint":
        """Return the fingerprint of this content followed by that of `following`.

        A CRC is a remainder of polynomials over GF(2): appending n bytes multiplies by x^(8n).
        """
        shifted = _multiply(_power_of_x8(following.size), self.crc32c)
        return Fingerprint(self.size + following.size, shifted ^ following.crc32c)


def _power_of_x8(exponent: int) -> int:
    result, square = _X0, _X8
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _multiply(a: int, b: int) -> int:
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product
