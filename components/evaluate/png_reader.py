"""PNG files as the pixels that a model takes, where nothing is lost on the way.

Source: PNG specification, third edition, sections 5.2 (signature) and 11.2.1 (IHDR):
https://www.w3.org/TR/png-3/
"""

import io
import struct

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.shapes import format_shape

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR = struct.Struct(">8xI4sIIB")
# By number of channels: a PNG is grey, or has colours, or colours and transparency.
_CHANNELS = (1, 3, 4)
# Unpacked, 1 GiB.
_LARGEST_SIDE = 1 << 14
_AS_TRAINED = "convert it as the training images were, then try again"
_TO_GREY = "give --grayscale (Python: grayscale=True)"


def decode_png(
    data: bytes,
    shape: tuple[int, ...],
    dtype: str,
    where: str,
    *,
    resize: bool = False,
    grayscale: bool = False,
) -> NDArray[np.uint8]:
    """Return the pixels of a PNG file.

    Grey becomes three equal channels and the reverse, a palette its colours, and an opaque alpha
    channel is left out; whatever would lose something is refused.

    Args:
        data: The file.
        shape: (height, width) or (height, width, channels) of the images that the model takes.
        dtype: NumPy name of their pixels' type.
        where: URI of the file, for the error.
        resize: Whether to scale it to `shape`.
        grayscale: Whether to take the luma of colours (ITU-R BT.601) for a model of grey images.

    Returns:
        uint8 array of `shape`.

    Raises:
        DataError: If the file is damaged, or cannot become such an image without loss.
    """
    channels = shape[2] if len(shape) == 3 else 1
    if dtype != "uint8" or channels not in _CHANNELS:
        raise DataError(
            "model takes other images than a PNG file can hold",
            where=where,
            expected=f"{format_shape(shape)} pixels of type {dtype}",
            found="a PNG file: uint8, with 1, 3 or 4 channels",
            remedy="give the images as an IDX file",
        )
    _check_header(data, shape, where, resize)
    rgba = _decode(data, shape[:2], where)
    if channels == 4:
        return rgba
    if rgba[..., 3].min() < 255:
        raise _lossy("transparent pixels", "opaque pixels", where)
    if channels == 3:
        return np.ascontiguousarray(rgba[..., :3])
    grey = rgba[..., :1]
    if (rgba[..., :3] != grey).any():
        if not grayscale:
            raise _lossy("colours", "shades of grey", where, _TO_GREY)
        grey = _luma(rgba)
    return np.ascontiguousarray(grey).reshape(shape)


def _check_header(data: bytes, shape: tuple[int, ...], where: str, resize: bool) -> None:
    """Check what the file says of itself, before anything is unpacked."""
    if len(data) < _IHDR.size or not data.startswith(SIGNATURE):
        raise _damaged("it ends within its header", where)
    _, kind, width, height, depth = _IHDR.unpack_from(data)
    if kind != b"IHDR":
        raise _damaged("its first chunk is not IHDR", where)
    if resize and max(height, width) > _LARGEST_SIDE:
        raise _lossy(f"{height}x{width} pixels", f"at most {_LARGEST_SIDE} a side", where)
    if (height, width) != shape[:2] and not resize:
        raise DataError(
            "image differs in size from those the model was trained on",
            where=where,
            expected=format_shape(shape[:2]),
            found=format_shape((height, width)),
            remedy="scale it as the training images were, or give --resize (Python: resize=True)",
        )
    if depth > 8:
        raise _lossy(f"{depth} bits a channel", "8 or less", where)


def _decode(data: bytes, size: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        # Decoding checks no checksum of the pixels; verifying does, but leaves no image to use.
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.verify()
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            rgba = image.convert("RGBA")
            if rgba.size != (size[1], size[0]):
                rgba = rgba.resize((size[1], size[0]), Image.Resampling.BOX)
            return np.asarray(rgba)
    # Whatever a damaged file makes Pillow raise: SyntaxError, IndexError, zlib.error and more.
    except Exception as error:
        raise _damaged(str(error) or type(error).__name__, where) from None


def _luma(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(rgba[..., :3]).convert("L"))


def _damaged(found: str, where: str) -> DataError:
    return DataError(
        "PNG file is damaged", where=where, found=found, remedy="write or fetch the file again"
    )


def _lossy(found: str, expected: str, where: str, remedy: str = _AS_TRAINED) -> DataError:
    return DataError(
        "image cannot become what the model takes without loss",
        where=where,
        expected=expected,
        found=found,
        remedy=remedy,
    )
