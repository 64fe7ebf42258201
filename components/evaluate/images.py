"""Images for a model, from IDX files, PNG files and folders of them; all checked before use."""

import dataclasses
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.checks import check_images, read_header, scan
from idxpipe.components.core.idx.content import is_gzip, read_chunks
from idxpipe.components.core.idx.folders import NOWHERE, advice, names_in, walk, what_is_here
from idxpipe.components.core.idx.header import GZIP_MAGIC, MAX_RECORD_BYTES, Header
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.narration import say
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.evaluate.config import UPRIGHT, PredictConfig
from idxpipe.components.evaluate.png_reader import SIGNATURE, decode_png

_USUAL = PixelOrder()
_AS_IS = PredictConfig()
# For the remedy of an error, no more are looked into.
_MOST_FOLDERS = 50
# What predict does not read, by the first bytes.
_PICTURES = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"BM", "a BMP image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"RIFF", "a WebP image"),
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A file with images.

    Attributes:
        uri: Where it is.
        count: How many it holds.
        header: What an IDX file says of itself; None is a PNG file.
        order: How its pixels are stored.
    """

    uri: str
    count: int
    header: Header | None = None
    order: PixelOrder = _USUAL


@dataclasses.dataclass(frozen=True)
class Images:
    """Some images of one or several files.

    Attributes:
        names: URI of the file, and number of the image in it, of each.
        images: [B, *image_shape]; rows beyond the names are zero.
    """

    names: list[tuple[str, int]]
    images: NDArray[np.generic]

    @property
    def real(self) -> int:
        """How many rows are images."""
        return len(self.names)


def find_sources(uris: list[str], card: ModelCard, config: PredictConfig = _AS_IS) -> list[Source]:
    """Return the files that are meant, in order; each is read once and checked.

    Args:
        uris: IDX files, plain or gzip; PNG files; folders, whose PNG files are taken by name, or
            those of the folders in it, as of one per class.
        card: What the model takes.
        config: How pixels stand in IDX files, and what is done to PNG images on request.

    Raises:
        DataError: If one is missing, damaged, or not of the shape and type of the model's images.
    """
    return [_check(uri, card, config) for given in uris for uri in _expand(given)]


def read_batches(
    sources: list[Source], card: ModelCard, size: int, config: PredictConfig = _AS_IS
) -> Iterator[Images]:
    """Yield the images of all sources in order, `size` at a time, in constant memory.

    Args:
        sources: From `find_sources`.
        card: What the model takes.
        size: Rows of each batch, the last one padded with zeros.
        config: Whether to invert images, to scale PNG images, and to take colours for grey.

    Raises:
        DataError: If a file has changed since it was checked.
    """
    dtype = np.dtype(card.image_dtype)
    names: list[tuple[str, int]] = []
    pixels = np.zeros((size, *card.image_shape), dtype)
    for source in sources:
        for index, image in enumerate(_read(source, card, config)):
            pixels[len(names)] = _inverted(image, card) if config.invert else image
            names.append((source.uri, index))
            if len(names) == size:
                yield Images(names, pixels)
                names, pixels = [], np.zeros_like(pixels)
    if names:
        yield Images(names, pixels)


def _expand(uri: str) -> list[str]:
    if storage.exists(uri):
        return [uri]
    names = names_in(uri)
    pictures = [name for name in names if name.lower().endswith(".png")]
    if not pictures:
        below = [f"{f}/{n}" for f in storage.list_folders(uri) for n in names_in(f"{uri}/{f}")]
        pictures = [name for name in below if name.lower().endswith(".png")]
        names = below if pictures else names
    if not pictures:
        found = what_is_here(uri, names)
        if found == NOWHERE:
            raise DataError("no such file or folder", where=uri, remedy="check the path")
        raise DataError(
            "no images here",
            where=uri,
            expected="an IDX file, a PNG file, or a folder of PNG files",
            found=found,
            remedy=_deeper(uri)
            or advice(names)
            or "check the path; name IDX files themselves, not their folder",
        )
    if len(pictures) < len(names):
        say(f"{uri}: leaving out {len(names) - len(pictures)} files that are not .png")
    return [storage.join(uri, name) for name in pictures]


def _deeper(uri: str) -> str:
    """Return which folder may be meant: the one above those of the classes, as export writes it."""
    # In a bucket each is a request, and there may be thousands.
    looked_into = islice(walk(uri), _MOST_FOLDERS)
    has = (f for f in looked_into if any(n.lower().endswith(".png") for n in names_in(f)))
    folder = next(has, "").rpartition("/")[0]
    return folder and f"did you mean {folder}?"


def _check(uri: str, card: ModelCard, config: PredictConfig) -> Source:
    with storage.open_read(uri) as stream:
        start = stream.read(len(SIGNATURE))
    if start == SIGNATURE:
        _decode(uri, card, config)
        return Source(uri, 1)
    if start and not start.startswith((b"\0\0", GZIP_MAGIC)):
        raise DataError(
            "not a file of images that can be read",
            where=uri,
            offset=0,
            expected="an IDX file, plain or gzip, or a PNG file",
            found=_called(start),
            remedy="save it as PNG, scaled and grey or coloured as the training images were",
        )
    header, order = read_header(uri), order_of(card, config)
    for name, offset, takes, holds in (
        ("shape", 4, format_shape(card.image_shape), _shape_of(header, order)),
        ("type", 2, card.image_dtype, header.dtype),
    ):
        if takes != holds:
            raise DataError(
                f"images differ in {name} from those the model was trained on",
                where=uri,
                offset=offset,
                expected=f"{takes}, which the model in {card.uri} takes",
                found=holds,
                remedy="give images like those of the training, or the model they are for"
                + (
                    ""
                    if order == _USUAL
                    else "; if they are upright already, give --layout upright"
                ),
            )
    check_images(card.image_shape, order)(uri, header)
    if is_gzip(uri):
        # Only its end tells whether it is whole.
        scan(uri, lambda uri, header: None)
    return Source(uri, header.records, header, order)


def _called(start: bytes) -> str:
    names = (name for signature, name in _PICTURES if start.startswith(signature))
    return next(names, "bytes " + start[:4].hex(" "))


def order_of(card: ModelCard, config: PredictConfig) -> PixelOrder:
    """Return how pixels stand in IDX files: as in the training's, unless they are said upright."""
    if config.layout == UPRIGHT:
        return _USUAL
    given = {name: bool(card.layout.get(name)) for name in ("transposed", "channels_first")}
    flattened = bool(card.layout.get("flattened"))
    return PixelOrder(**given, flattened=flattened, shape=card.image_shape if flattened else None)


def _shape_of(header: Header, order: PixelOrder) -> str:
    return format_shape(order.upright(header.record_shape)) or "single numbers, as labels are"


def _decode(uri: str, card: ModelCard, config: PredictConfig) -> NDArray[np.uint8]:
    data, shape = storage.read_document(uri, MAX_RECORD_BYTES), card.image_shape
    changes = {"resize": config.resize, "grayscale": config.grayscale}
    return decode_png(data, shape, card.image_dtype, uri, **changes)


def _inverted(image: NDArray[Any], card: ModelCard) -> NDArray[Any]:
    low, high = card.pixel_range or (0, np.iinfo(np.uint8).max)
    return (low + high - image.astype(np.float64)).astype(image.dtype)


def _read(source: Source, card: ModelCard, config: PredictConfig) -> Iterator[NDArray[np.generic]]:
    if source.header is None:
        yield _decode(source.uri, card, config)
        return
    dtype = np.dtype(card.image_dtype).newbyteorder(">")
    rest, skip, size = b"", source.header.data_offset, source.header.record_bytes
    left = source.count
    for chunk in read_chunks(source.uri):
        data = rest + chunk[skip:]
        skip = max(0, skip - len(chunk))
        whole = min(left, len(data) // size)
        pixels = np.frombuffer(data, dtype, whole * size // dtype.itemsize)
        yield from source.order.turn(pixels, source.header.record_shape)
        left -= whole
        rest = data[whole * size :]
    if left:
        raise DataError(
            "file changed while it was read",
            where=source.uri,
            expected=f"{source.count} images",
            found=f"{source.count - left}",
            remedy="try again when nothing writes to it",
        )
