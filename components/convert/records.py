"""Look into a dataset: count and check every record, show the first ones."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from idxpipe.components.core.dataset.examples import read_examples, read_shard
from idxpipe.components.core.dataset.manifest import Dataset, Shard, read_dataset, shard_uris
from idxpipe.components.core.errors import CONVERT_AGAIN, DataError

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
    for images, labels in read_examples(shard_uris(uri, dataset), dataset):
        taken = slice(count - len(examples))
        pixels = images[taken].reshape(-1, *dataset.image_shape)
        examples += [Example(i, int(n)) for i, n in zip(pixels, labels[taken], strict=True)]
        if len(examples) >= count:
            break
    return examples


def _check_shard(uri: str, shard: Shard, dataset: Dataset) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return how many examples of each class the shard has."""
    counts = np.zeros(dataset.num_classes, np.int64)
    for _, labels in read_shard(uri, shard, dataset):
        counts += np.bincount(labels, minlength=dataset.num_classes)
    return counts
