"""Inputs of benchmarks: the real MNIST, unpacked and as often as wanted."""

import shutil
from pathlib import Path

import numpy as np

from idxpipe.components.core.idx.content import read_chunks
from idxpipe.components.core.idx.header import Header

MNIST = Path("data/mnist")
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")


def unpacked(folder: Path, times: int, first: int = 0, dtype: str = "uint8") -> tuple[str, str]:
    """Write MNIST's training split unpacked, repeated `times`; return images and labels.

    No image is there twice: two pixels of a corner, which are black in all, count the repetitions.

    Args:
        folder: Is made.
        times: How often.
        first: Where they begin to count.
        dtype: Type of the pixels.
    """
    folder.mkdir()
    images, labels = (array_of(f"{MNIST / name}.gz") for name in NAMES)
    wide = images.astype(np.dtype(dtype).newbyteorder(">"))
    for name, array in zip(NAMES, (wide, labels), strict=True):
        with open(folder / name, "wb") as stream:
            shape = (len(array) * times, *array.shape[1:])
            stream.write(Header(array.dtype.name, shape).encode())
            for number in range(first, first + times):
                if array is wide:
                    wide[:, 0, :2] = divmod(number, 128)
                stream.write(array.data)
    return str(folder / NAMES[0]), str(folder / NAMES[1])


def array_of(uri: str) -> np.ndarray:
    """Return the array in an IDX file of bytes; it can be written to."""
    content = bytearray(b"".join(read_chunks(uri)))
    header = Header.decode(bytes(content[:1024]), uri)
    return np.frombuffer(content, np.uint8, offset=header.data_offset).reshape(header.shape)


def pack(path: str) -> str:
    """Write a file beside `path` with its content as gzip; return its path."""
    from isal import igzip

    with open(path, "rb") as source, igzip.open(f"{path}.gz", "wb", compresslevel=2) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    return f"{path}.gz"
