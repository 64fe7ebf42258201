"""PNG files from pixels, without a library.

Source: PNG specification, third edition: https://www.w3.org/TR/png-3/, sections 5 (structure),
9.2 (filter type 0) and 11.2 (critical chunks).
"""

import base64
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOURS = 0, 2


def encode_png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a PNG file.

    Args:
        pixels: uint8 [H, W], shades of grey, or [H, W, 3]: red, green and blue.
    """
    import numpy as np

    height, width = pixels.shape[:2]
    kind = _COLOURS if pixels.ndim == 3 else _GREY
    # Each row begins with its filter type, none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    data = zlib.compress(rows.tobytes(), 9)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, body) for name, body in chunks)


def data_uri(pixels: "NDArray[np.uint8]") -> str:
    """Return the same as a URI that holds the file; arguments as `encode_png` has them."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)
