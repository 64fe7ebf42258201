"""IDX files for tests, written with NumPy alone, so that they do not rely on what they test."""

import gzip
import struct
from pathlib import Path

import numpy as np

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx_bytes(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.newbyteorder("=").name]
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(path: Path, array: np.ndarray) -> str:
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    return str(path)


def make_arrays(train: int = 60, test: int = 20, shape=(28, 28), seed: int = 0) -> dict:
    """Images whose class is seen from the brightness of a band, and their labels."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = rng.integers(0, 60, (count, *shape), dtype=np.uint8)
        for row, label in zip(images, labels, strict=True):
            row.reshape(-1)[label * 10 : label * 10 + 10] = 250
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, labels
    return arrays


def write_data_set(folder: Path, arrays: dict | None = None, gz: bool = False) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".gz" if gz else ""
    return {
        role: write_idx(folder / (NAMES[role] + suffix), array)
        for role, array in (arrays or make_arrays()).items()
    }
