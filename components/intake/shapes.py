"""Arrays and rows of numbers as images of IDX files, value for value."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.header import ITEM_BYTES
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.decode import Fit, check_pillow, fit_image
from idxpipe.components.intake.found import Images

_BLOCK = 4096


def row_shape(numbers: int, config: ImportConfig, where: str) -> tuple[int, ...]:
    """Return the shape of images that are rows of `numbers` numbers.

    Raises:
        DataError: If it is not given and they make no square, or it is given and does not fit.
    """
    shape = config.row_shape
    side = math.isqrt(numbers)
    if shape is None and side * side == numbers and side:
        return side, side
    if shape is None or math.prod(shape) != numbers:
        raise DataError(
            "rows of numbers do not make images",
            where=where,
            expected="a square" if shape is None else f"{format_shape(shape)} numbers a row",
            found=f"{numbers} numbers a row",
            remedy="give --image-shape HEIGHTxWIDTH, or HEIGHTxWIDTHxCHANNELS",
        )
    return shape


def as_images(array: NDArray[Any], config: ImportConfig, where: str) -> NDArray[Any]:
    """Return an array as images, without reading it.

    Args:
        array: [N, numbers], [N, height, width] or [N, height, width, channels].
        config: Says the shape of rows of numbers.
        where: What it is, for errors.

    Raises:
        DataError: If it is none of these.
    """
    if array.ndim == 2:
        return array.reshape(len(array), *row_shape(array.shape[1], config, where))
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3, 4):
        raise DataError(
            "channels come before height and width",
            where=where,
            expected="images, height, width, channels",
            found=format_shape(array.shape),
            remedy="save it after transpose(0, 2, 3, 1)",
        )
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise DataError(
            "not an array of images",
            where=where,
            expected="images, height, width, and perhaps channels",
            found=f"{array.ndim} dimensions: {format_shape(array.shape)}",
        )
    if config.row_shape not in (None, array.shape[1:]):
        raise DataError(
            "images have another shape",
            where=where,
            expected=f"{config.image_shape}, as --image-shape says",
            found=format_shape(array.shape[1:]),
            remedy="leave it out; --resize HxW scales images",
        )
    return array[..., 0] if array.shape[3:] == (1,) else array


def image_type(images: NDArray[Any], where: str) -> str:
    """Return the type of IDX files that holds every value of an array as it is.

    Raises:
        DataError: If there is none.
    """
    name = images.dtype.newbyteorder("=").name
    if name in ITEM_BYTES:
        return name
    found = name
    if images.dtype.kind in "iu":
        blocks = range(0, len(images), _BLOCK)
        low = min(int(images[start : start + _BLOCK].min()) for start in blocks)
        high = max(int(images[start : start + _BLOCK].max()) for start in blocks)
        if low >= 0 and high <= np.iinfo(np.uint8).max:
            return "uint8"
        found = f"{name}, from {low} to {high}"
    raise DataError(
        "IDX files have no such type of pixels",
        where=where,
        expected=", ".join(ITEM_BYTES) + "; or whole numbers from 0 to 255",
        found=found,
        remedy="save them as uint8",
    )


def fitted(images: Images, config: ImportConfig, where: str) -> Images:
    """Return images of another size or other channels, if flags ask for it.

    Raises:
        UsageError: If they are none that can be scaled.
    """
    if not config.changes_images:
        return images
    check_pillow()
    from PIL import Image

    channels = images.shape[3] if len(images.shape) == 4 else 1
    if images.dtype != np.uint8 or channels not in (1, 3):
        raise UsageError(
            "these images cannot be scaled or made grey",
            where=where,
            expected="uint8 images of one channel or three",
            found=f"{images.dtype.name} images of {channels} channels",
            remedy="leave out --resize, --grayscale and --rgb",
        )
    fit = Fit(config.size, config.channels, resize=True, convert=True)
    one_by_one = (
        fit_image(Image.fromarray(image), fit)
        for start in range(0, images.shape[0], _BLOCK)
        for image in images[np.arange(start, min(start + _BLOCK, images.shape[0]))]
    )
    return np.stack(list(one_by_one))
