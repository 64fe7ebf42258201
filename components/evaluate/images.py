"""Images for a model, from IDX files, PNG files and folders of them; all checked before use."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.checks import check_images, read_header, scan
from idxpipe.components.core.idx.content import is_gzip, read_chunks
from idxpipe.components.core.idx.header import GZIP_MAGIC, Header
from idxpipe.components.core.model import ModelCard
from idxpipe.components.core.narration import say
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.evaluate.png_reader import SIGNATURE, decode_png


@dataclasses.dataclass(frozen=True)
class Source:
    """A file with images.

    Attributes:
        uri: Where it is.
        count: How many it holds.
        header: What an IDX file says of itself; None is a PNG file.
    """

    uri: str
    count: int
    header: Header | None = None


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


def find_sources(uris: list[str], card: ModelCard) -> list[Source]:
    """Return the files that are meant, in order; each is read once and checked.

    Args:
        uris: IDX files, plain or gzip; PNG files; folders, whose PNG files are taken by name.
        card: What the model takes.

    Raises:
        DataError: If one is missing, damaged, or not of the shape and type of the model's images.
    """
    return [_check(uri, card) for given in uris for uri in _expand(given)]


def read_batches(sources: list[Source], card: ModelCard, size: int) -> Iterator[Images]:
    """Yield the images of all sources in order, `size` at a time, in constant memory.

    Args:
        sources: From `find_sources`.
        card: What the model takes.
        size: Rows of each batch, the last one padded with zeros.

    Raises:
        DataError: If a file has changed since it was checked.
    """
    dtype = np.dtype(card.image_dtype)
    names: list[tuple[str, int]] = []
    pixels = np.zeros((size, *card.image_shape), dtype)
    for source in sources:
        for index, image in enumerate(_read(source, card)):
            pixels[len(names)] = image
            names.append((source.uri, index))
            if len(names) == size:
                yield Images(names, pixels)
                names, pixels = [], np.zeros_like(pixels)
    if names:
        yield Images(names, pixels)


def _expand(uri: str) -> list[str]:
    if storage.exists(uri):
        return [uri]
    names = storage.list_names(uri)
    pictures = [name for name in names if name.lower().endswith(".png")]
    if not pictures:
        raise DataError(
            "no images here",
            where=uri,
            expected="an IDX file, a PNG file, or a folder of PNG files",
            found=", ".join(names[:3]) or "no such file, or an empty folder",
            remedy="check the path; name IDX files themselves, not their folder",
        )
    if len(pictures) < len(names):
        say(f"{uri}: leaving out {len(names) - len(pictures)} files that are not .png")
    return [storage.join(uri, name) for name in pictures]


def _check(uri: str, card: ModelCard) -> Source:
    with storage.open_read(uri) as stream:
        start = stream.read(len(SIGNATURE))
    if start == SIGNATURE:
        decode_png(storage.read(uri), card.image_shape, card.image_dtype, uri)
        return Source(uri, 1)
    if start and not start.startswith((b"\0\0", GZIP_MAGIC)):
        raise DataError(
            "not a file of images that can be read",
            where=uri,
            offset=0,
            expected="an IDX file, plain or gzip, or a PNG file",
            found="bytes " + start[:4].hex(" "),
            remedy="convert it to PNG without loss",
        )
    header = read_header(uri)
    for name, offset, takes, holds in (
        ("shape", 4, format_shape(card.image_shape), _shape_of(header)),
        ("type", 2, card.image_dtype, header.dtype),
    ):
        if takes != holds:
            raise DataError(
                f"images differ in {name} from those the model was trained on",
                where=uri,
                offset=offset,
                expected=f"{takes}, which the model in {card.uri} takes",
                found=holds,
                remedy="give images like those of the training, or the model they are for",
            )
    check_images(None)(uri, header)
    if is_gzip(uri):
        # Only its end tells whether it is whole.
        scan(uri, lambda uri, header: None)
    return Source(uri, header.records, header)


def _shape_of(header: Header) -> str:
    return format_shape(header.record_shape) or "single numbers, as labels are"


def _read(source: Source, card: ModelCard) -> Iterator[NDArray[np.generic]]:
    if source.header is None:
        yield decode_png(storage.read(source.uri), card.image_shape, card.image_dtype, source.uri)
        return
    dtype = np.dtype(card.image_dtype).newbyteorder(">")
    rest, skip, size = b"", source.header.data_offset, source.header.record_bytes
    left = source.count
    for chunk in read_chunks(source.uri):
        data = rest + chunk[skip:]
        skip = max(0, skip - len(chunk))
        whole = min(left, len(data) // size)
        yield from np.frombuffer(data, dtype, whole * size // dtype.itemsize).reshape(
            whole, *card.image_shape
        )
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
