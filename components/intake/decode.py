"""One image file as pixels: nothing is lost on the way unless it was asked for.

Pillow decodes, with the decoders of four formats only.
"""

import dataclasses
import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.errors import SetupError, installing
from idxpipe.components.core.idx.header import MAX_RECORD_BYTES
from idxpipe.components.core.printable import printable
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.intake.config import COLOUR, GREY

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
BAD, SIZE, MODE = "bad", "size", "mode"
_KINDS = {"grey": GREY, "colour": COLOUR}
_MODES = {GREY: "L", COLOUR: "RGB"}
# Source: PNG specification, third edition, 5.2 and 5.3: what a file and a chunk begin with, and a
# chunk ends with; 11.2.1: where IHDR has the bit depth.
_PNG_SIGNATURE = 8
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_CRC = struct.Struct(">I")
_PNG_DEPTH = 24
_DEEP = ("I", "F")


@dataclasses.dataclass(frozen=True)
class Fit:
    """What an image must be, or is made.

    Attributes:
        size: (height, width); None takes any.
        channels: `GREY` or `COLOUR`; None takes either.
        resize: Scale to `size` what has another.
        convert: Make of other channels what `channels` says.
    """

    size: tuple[int, ...] | None = None
    channels: int | None = None
    resize: bool = False
    convert: bool = False


class Unfit(Exception):  # noqa: N818 - an answer to the caller, who counts them
    """An image that is not what it must be.

    Args:
        kind: `BAD`: no image, or one that 8 bits a channel cannot hold; `SIZE` or `MODE`: a sound
            one, but another than the rest.
        what: The reason, or the size or mode that it has.
    """

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind

    def __reduce__(self) -> tuple[type["Unfit"], tuple[str, str]]:
        """Let it cross from one process to another."""
        return Unfit, (self.kind, str(self))


def check_pillow() -> None:
    """Check that images can be decoded here.

    Raises:
        SetupError: If Pillow is missing.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise SetupError(
            "images cannot be decoded",
            where="import",
            expected="the package pillow",
            found="none",
            remedy=installing("import"),
        ) from None


def decode(data: bytes, fit: Fit) -> NDArray[np.uint8]:
    """Return the pixels of a PNG, JPEG, BMP or GIF file.

    A palette becomes its colours, or its greys; black and white become 0 and 255; an opaque alpha
    channel is left out; an image is turned as its EXIF orientation says.

    Args:
        data: The file.
        fit: What the image must be.

    Returns:
        uint8 [height, width] of a grey image, [height, width, 3] of one in colours.

    Raises:
        Unfit: If it is not what it must be.
    """
    if not data:
        raise Unfit(BAD, "an empty file")
    try:
        image = _open(data)
        return fit_image(image, fit)
    except Unfit:
        raise
    # Whatever a damaged file makes Pillow raise, it is the file's fault: struct.error, SyntaxError,
    # zlib.error and more are known.
    except Exception as error:
        raise Unfit(BAD, f"damaged: {error or type(error).__name__}") from None


def fit_image(image: "Image", fit: Fit) -> NDArray[np.uint8]:
    """Return the pixels of an image, as `decode`."""
    kind = kind_of(image)
    channels = fit.channels or _KINDS.get(kind)
    if channels is None:
        raise Unfit(BAD, f"{kind} pixels, which only --rgb or --grayscale takes")
    if _KINDS.get(kind) != channels and not fit.convert:
        raise Unfit(MODE, kind)
    size = (image.height, image.width)
    if fit.size and size != fit.size:
        if not fit.resize:
            raise Unfit(SIZE, format_shape(size))
        # Not a palette's numbers, which have no order.
        image = image.convert(_MODES[_KINDS.get(kind, COLOUR)]).resize((fit.size[1], fit.size[0]))
    # convert() copies what has the mode already.
    mode = _MODES[channels]
    return np.asarray(image if image.mode == mode else image.convert(mode))


def kind_of(image: "Image") -> str:
    """Return `grey`, `colour`, or Pillow's name of a mode that is neither."""
    if image.mode in ("1", "L"):
        return "grey"
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return "grey" if (colours == colours[:, :1]).all() else "colour"
    return "colour" if image.mode == "RGB" else image.mode


def _open(data: bytes) -> "Image":
    """Return the image in a file, loaded, upright and without an alpha channel."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Of large images; the limit is ours.
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise Unfit(BAD, "not a PNG, JPEG, BMP or GIF image") from None
    except Image.DecompressionBombError as error:
        raise Unfit(BAD, f"too large: {error}") from None
    _check(image, data)
    if image.format == "PNG":
        _check_png(data)
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return _opaque(image)


def _check(image: "Image", data: bytes) -> None:
    """Check what the file says of itself, before anything is unpacked."""
    if COLOUR * image.width * image.height > MAX_RECORD_BYTES:
        raise Unfit(BAD, f"too large: {format_shape((image.height, image.width))} pixels")
    frames = getattr(image, "n_frames", 1)
    # MPO is a JPEG with previews behind it.
    if frames > 1 and image.format != "MPO":
        raise Unfit(BAD, f"animated: {frames} frames")
    # Pillow opens a PNG of 16 bits a channel as one of 8.
    deep = image.format == "PNG" and data[_PNG_DEPTH] > 8
    if deep or image.mode.startswith(_DEEP):
        raise Unfit(BAD, "16 bits a channel, or more")


def _check_png(data: bytes) -> None:
    """Compare every chunk with its checksum, which Pillow does not where the pixels are.

    Its `verify` does, at the price of another decoder, which for small images is half the time.
    """
    place, kind = _PNG_SIGNATURE, b""
    while kind != b"IEND":
        length, kind = _PNG_CHUNK.unpack_from(data, place)
        end = place + _PNG_CHUNK.size + length
        (wanted,) = _PNG_CRC.unpack_from(data, end)
        if zlib.crc32(memoryview(data)[place + 4 : end]) != wanted:
            raise Unfit(BAD, f"damaged: the checksum of its {printable(repr(kind)[2:-1])} differs")
        place = end + _PNG_CRC.size


def _opaque(image: "Image") -> "Image":
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    alpha = image.convert("RGBA").getchannel("A")
    if alpha.getextrema()[0] != 255:
        raise Unfit(BAD, "transparent pixels, which IDX files of grey or RGB cannot hold")
    if image.mode == "P":
        del image.info["transparency"]
        return image
    return image.convert("L" if image.mode in ("LA", "La", "L") else "RGB")
