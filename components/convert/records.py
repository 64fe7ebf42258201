"""Look into a dataset: count and check every record, show the first ones."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from components.core import storage
from components.core.dataset import Dataset, Shard, read_dataset, shard_uris
from components.core.errors import CONVERT_AGAIN, DataError
from components.core.fingerprint import Fingerprint
from components.core.tfrecord_reader import decode, read_records

# From dark to light, as terminals mostly are.
_SHADES = " .:-=+*#%@"


@dataclasses.dataclass(frozen=True)
class Example:
    """One example.

    Attributes:
        image: Of the dataset's shape and dtype.
        label: Its class.
    """

    image: "np.ndarray[Any, np.dtype[Any]]"
    label: int

    def draw(self) -> str:
        """Return the image as lines of text, two characters a pixel; colours as their mean."""
        pixels = self.image.astype(np.float64)
        if pixels.ndim == 3:
            pixels = pixels.mean(axis=2)
        low, high = pixels.min(), pixels.max()
        steps = (pixels - low) / (high - low or 1.0) * (len(_SHADES) - 1)
        return "\n".join("".join(_SHADES[s] * 2 for s in row).rstrip() for row in steps.astype(int))


def check_records(uri: str) -> Dataset:
    """Read every record of the dataset in the folder `uri` and check it against the manifest.

    Raises:
        DataError: With file and byte of the first damage, or if records or labels are not what the
            manifest says.
    """
    dataset = read_dataset(uri)
    with ThreadPoolExecutor(max_workers=2) as pool:
        uris = shard_uris(uri, dataset)
        counts = list(pool.map(_check_shard, uris, dataset.shards, [dataset] * len(uris)))
    found = np.sum(counts, axis=0)
    if tuple(found.tolist()) != dataset.class_counts:
        raise DataError(
            "classes are not what the manifest says",
            where=uri,
            expected=dataset.class_counts,
            found=tuple(found.tolist()),
            remedy=CONVERT_AGAIN,
        )
    return dataset


def first_examples(uri: str, count: int) -> list[Example]:
    """Return the first `count` examples of the dataset in the folder `uri`.

    Raises:
        DataError: If there is no dataset, or what is read of it is damaged.
    """
    dataset = read_dataset(uri)
    examples: list[Example] = []
    for shard, shard_uri in zip(dataset.shards, shard_uris(uri, dataset), strict=True):
        with storage.open_read(shard_uri) as stream:
            for rows in read_records(stream, shard.bytes, shard_uri):
                images, labels = decode(
                    rows[: count - len(examples)], dataset.image_bytes, shard_uri
                )
                pixels = np.ascontiguousarray(images).view(_little_endian(dataset))
                pixels = pixels.reshape(-1, *dataset.image_shape)
                examples += [Example(i, int(n)) for i, n in zip(pixels, labels, strict=True)]
                if len(examples) >= count:
                    return examples
    return examples


def _check_shard(uri: str, shard: Shard, dataset: Dataset) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return how many examples of each class the shard has."""
    counts = np.zeros(dataset.num_classes, np.int64)
    content = _Fingerprinted(storage.open_read(uri))
    with content.stream:
        for rows in read_records(content, shard.bytes, uri):  # type: ignore[arg-type]
            _, labels = decode(rows, dataset.image_bytes, uri)
            if labels.max() >= dataset.num_classes:
                raise DataError(
                    "label is no class of this dataset",
                    where=uri,
                    expected=f"0 to {dataset.num_classes - 1}",
                    found=int(labels.max()),
                    remedy=CONVERT_AGAIN,
                )
            counts += np.bincount(labels, minlength=dataset.num_classes)
    found = content.fingerprint
    if (int(counts.sum()), found.crc32c) != (shard.examples, shard.crc32c):
        raise DataError(
            "shard is not the one that the manifest lists",
            where=uri,
            expected=f"{shard.examples} examples, CRC32C {shard.crc32c:08x}",
            found=f"{counts.sum()} examples, CRC32C {found.crc32c:08x}",
            remedy=CONVERT_AGAIN,
        )
    return counts


class _Fingerprinted:
    """A stream that takes the fingerprint of what is read from it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.fingerprint = Fingerprint()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(size)
        self.fingerprint = self.fingerprint.extend(data)
        return data


def _little_endian(dataset: Dataset) -> "np.dtype[Any]":
    return np.dtype(dataset.image_dtype).newbyteorder("<")
