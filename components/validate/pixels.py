"""What the images of a split look like: figures of every pixel, in one pass and constant memory."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.core.idx.rows import Rows

Array = NDArray[Any]

# Blocks stay in the processor's cache, as they are gone through several times; of smaller ones, two
# threads would wait for the interpreter. As many squares of bytes as 256 add up exactly in float32,
# whose arithmetic is the fastest where rows are not short; 65536 do in uint32.
_BLOCK_BYTES = 768 << 10
_EXACT_ROWS = 256
_LONG_ROW = 64
_MOST_ROWS = 1 << 16
# Images of a split that are compared with each other: 8 bytes each are kept, 64 MB in all.
MAX_COMPARED = 1 << 23
# Figures of all pixels cost as much as all checks together, and counting them for the histogram
# four times that: they are taken of one block in so many, and in more of a larger file.
ALL_BYTES = 256 << 20
FIGURES_STRIDE = 8
HISTOGRAM_STRIDE = 16
LARGE_HISTOGRAM_STRIDE = 64
BINS = 64
_SEED = 0x1D5
# Of larger images, figures are taken of every second pixel of every second row, or fewer.
_MOST_PIXELS = 1 << 20
# Longer side of the samples that are kept: 800 of them are 80 MB at the very most.
THUMBNAIL = 64
_HASHED_WORDS = 1 << 18


_USUAL = PixelOrder()


@dataclasses.dataclass(frozen=True)
class PixelFacts:
    """What was seen of the images of one file.

    Attributes:
        images: How many were seen.
        minimum: Smallest finite pixel.
        maximum: Largest finite pixel.
        averaged: How many of them `mean` and `std` are of: all of a file below `ALL_BYTES`.
        mean: float64 [H, W] or [H, W, C]: mean of each pixel over images, as stored.
        std: Their standard deviations, likewise.
        histogram: Pixels per bin, of one block of images in `HISTOGRAM_STRIDE`, of a large file in
            `LARGE_HISTOGRAM_STRIDE`.
        edges: float64 [bins + 1]: edges of these bins.
        constant: Images of a single value, and the number of the first.
        not_finite: Images with NaN or infinite pixels, and the number of the first.
        keys: uint64: a hash of each image's bytes, of the first `MAX_COMPARED`.
        samples: Images that were asked for, by their numbers; no side is above `THUMBNAIL`.
    """

    images: int
    minimum: float
    maximum: float
    averaged: int
    mean: Array
    std: Array
    histogram: Array
    edges: Array
    constant: tuple[int, int]
    not_finite: tuple[int, int]
    keys: NDArray[np.uint64]
    samples: dict[int, Array]


class Pixels:
    """Looks at images as they are read; see `PixelFacts`.

    Args:
        header: Of the images file.
        wanted: Numbers of the images to keep.
        order: How pixels are stored. Means and samples come channels last, but as they are stored
            otherwise: not turned upright.
    """

    def __init__(
        self, header: Header, wanted: Sequence[int] = (), order: PixelOrder = _USUAL
    ) -> None:
        self._shape = order.unflattened(header.record_shape)
        self._channels_first = order.channels_first and len(self._shape) == 3
        self._dtype = np.dtype(header.dtype)
        self._record_bytes = header.record_bytes
        block = min(_BLOCK_BYTES, _MOST_ROWS * header.record_bytes)
        self._rows = Rows(header.record_bytes, self._take, block)
        self._wanted = np.array(sorted(wanted), np.int64)
        self._samples: dict[int, Array] = {}
        self._images = self._blocks = self._averaged = 0
        large = header.content_bytes >= ALL_BYTES
        self._stride = FIGURES_STRIDE if large else 1
        self._histogram_stride = LARGE_HISTOGRAM_STRIDE if large else HISTOGRAM_STRIDE
        self._wide: Array = np.empty((0, 0), np.float32)
        self._keys = np.empty(min(header.records, MAX_COMPARED), np.uint64)
        self._hash = RowHash(header.record_bytes)
        self._step = math.ceil(math.sqrt(math.prod(self._shape) / _MOST_PIXELS))
        self._figured = self._thinned(np.empty((1, math.prod(self._shape)), bool), self._step).shape
        exact = self._dtype == np.uint8
        self._sum = np.zeros(math.prod(self._figured[1:]), np.uint64 if exact else np.float64)
        self._squares = np.zeros_like(self._sum)
        self._low, self._high = np.inf, -np.inf
        self._constant = self._not_finite = (0, 0)
        self._edges: Array | None = None
        self._histogram = np.zeros(BINS, np.int64)

    def __call__(self, data: bytes, offset: int) -> None:
        """Look at the next piece of the file's data."""
        self._rows(data, offset)

    def facts(self) -> PixelFacts | None:
        """Return what was seen so far; None if no whole image was."""
        self._rows.flush()
        if not self._images:
            return None
        mean = self._sum / self._averaged
        variance = np.maximum(self._squares / self._averaged - mean**2, 0)
        edges = np.zeros(BINS + 1) if self._edges is None else self._edges
        return PixelFacts(
            images=self._images,
            minimum=float(self._low) if self._low <= self._high else 0.0,
            maximum=float(self._high) if self._low <= self._high else 0.0,
            averaged=self._averaged,
            mean=self._channels_last(mean.reshape(self._figured[1:])),
            std=self._channels_last(np.sqrt(variance).reshape(self._figured[1:])),
            histogram=self._histogram,
            edges=edges,
            constant=self._constant,
            not_finite=self._not_finite,
            keys=self._keys[: self._images],
            samples=self._samples,
        )

    def _take(self, data: memoryview, first: int) -> None:
        rows = np.frombuffer(data, np.uint8).reshape(-1, self._record_bytes)
        self._images = first + len(rows)
        keys = self._keys[first : first + len(rows)]
        keys[:] = self._hash(rows[: len(keys)])
        pixels = rows.view(self._dtype.newbyteorder(">"))
        if self._dtype.itemsize > 1:
            pixels = pixels.astype(self._dtype)
        begin, end = np.searchsorted(self._wanted, (first, first + len(rows)))
        for number in self._wanted[begin:end].tolist():
            self._samples[number] = self._thumbnail(pixels[number - first])
        if self._dtype.kind == "f":
            pixels = self._finite(pixels, first)
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        self._constant = _counted(self._constant, low == high, first)
        self._low, self._high = min(self._low, low.min()), max(self._high, high.max())
        if self._step > 1:
            pixels = self._thinned(pixels, self._step).reshape(len(pixels), -1)
        if self._blocks % self._stride == 0:
            self._averaged += len(pixels)
            self._add(pixels)
        if self._blocks % self._histogram_stride == 0:
            self._count(pixels)
        self._blocks += 1

    def _thinned(self, pixels: Array, step: int) -> Array:
        images = pixels.reshape(-1, *self._shape)
        return images[:, :, ::step, ::step] if self._channels_first else images[:, ::step, ::step]

    def _channels_last(self, image: Array) -> Array:
        return np.moveaxis(image, 0, -1) if self._channels_first else image

    def _thumbnail(self, pixels: Array) -> Array:
        sides = self._shape[1:] if self._channels_first else self._shape[:2]
        step = math.ceil(max(sides) / THUMBNAIL)
        image: Array = self._channels_last(self._thinned(pixels, step)[0])
        return image[..., :3].copy() if image.ndim == 3 else image.copy()

    def _finite(self, pixels: Array, first: int) -> Array:
        finite = np.isfinite(pixels)
        bad = np.asarray(~finite.all(axis=1))
        if not bad.any():
            return pixels
        self._not_finite = _counted(self._not_finite, bad, first)
        return np.where(finite, pixels, 0).astype(pixels.dtype)

    def _add(self, pixels: Array) -> None:
        # Of bytes, the sums are exact, and so the same on every machine.
        if pixels.dtype != np.uint8 or pixels.shape[1] < _LONG_ROW:
            wide: Array = pixels.astype(np.uint32 if pixels.dtype == np.uint8 else np.float64)
            self._sum += wide.sum(axis=0, dtype=wide.dtype)
            self._squares += np.einsum("ij,ij->j", wide, wide)
            return
        for start in range(0, len(pixels), _EXACT_ROWS):
            part = pixels[start : start + _EXACT_ROWS]
            self._sum += part.sum(axis=0, dtype=np.uint16)
            if len(self._wide) < len(part):
                self._wide = np.empty(part.shape, np.float32)
            exact = self._wide[: len(part)]
            exact[:] = part
            self._squares += np.einsum("ij,ij->j", exact, exact).astype(np.uint64)

    def _count(self, pixels: Array) -> None:
        if self._dtype == np.uint8:
            counts = np.bincount(pixels.ravel() >> 2, minlength=BINS)
            self._edges = np.arange(BINS + 1) * 4.0
        else:
            if self._edges is None:
                # The first block says where pixels are; others that lie outside go to the ends.
                low, high = float(pixels.min()), float(pixels.max())
                self._edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
            inside = np.clip(pixels, self._edges[0], self._edges[-1])
            counts = np.histogram(inside, self._edges)[0]
        self._histogram += counts


class RowHash:
    """A 64-bit hash of the bytes of each row.

    Multilinear hashing: the sum, modulo 2**64, of 32-bit words times random factors. Two rows share
    it with probability 2**(t-64), t being how many zero bits all differences of their words end in:
    0 for nearly all, 31 at worst. Source: D. Lemire, O. Kaser, "Strongly universal string hashing
    is fast", The Computer Journal 57(11), 2014; they keep the upper half, which makes t no matter.

    Args:
        record_bytes: Length of a row.
    """

    def __init__(self, record_bytes: int) -> None:
        self._padding = -record_bytes % 4
        words = (record_bytes + self._padding) // 4
        # The same numbers on every machine and in every version of NumPy.
        self._factors = np.random.PCG64(_SEED).random_raw(words)
        self._wide: Array = np.empty((0, 0), np.uint64)

    def __call__(self, rows: Array) -> NDArray[np.uint64]:
        """Return uint64 [n] for uint8 [n, record_bytes]."""
        if self._padding:
            rows = np.pad(rows, ((0, 0), (0, self._padding)))
        words = np.ascontiguousarray(rows).view("<u4")
        keys = np.zeros(len(rows), np.uint64)
        for start in range(0, words.shape[1], _HASHED_WORDS):
            part = slice(start, start + _HASHED_WORDS)
            keys += np.einsum("ij,j->i", self._widened(words[:, part]), self._factors[part])
        return keys

    def _widened(self, words: Array) -> Array:
        if self._wide.shape[0] < len(words) or self._wide.shape[1] != words.shape[1]:
            self._wide = np.empty(words.shape, np.uint64)
        wide = self._wide[: len(words)]
        wide[:] = words
        return wide


def _counted(before: tuple[int, int], which: Array, first: int) -> tuple[int, int]:
    count = int(np.count_nonzero(which))
    if not count:
        return before
    return before[0] + count, before[1] if before[0] else first + int(which.argmax())
