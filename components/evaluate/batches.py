"""A split in order, every example exactly once, in batches of one size."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.dataset.examples import read_examples, regroup
from idxpipe.components.core.dataset.manifest import Dataset


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch of static size, the last one padded with zeros.

    Attributes:
        images: [B, *image_shape] in the dataset's dtype.
        labels: int64 [B].
        real: The first so many rows are examples, the others padding.
    """

    images: NDArray[np.generic]
    labels: NDArray[np.int64]
    real: int


def read_batches(uris: list[str], dataset: Dataset, batch_size: int) -> Iterator[Batch]:
    """Yield the examples of a dataset in the records' order.

    Args:
        uris: The shards, in order.
        dataset: Their manifest.
        batch_size: Rows of each batch.

    Raises:
        DataError: With the byte of the first damage, or if a shard is not what the manifest says.
        SetupError: If the format's package is missing, or a shard may not be read.
        TransientError: If a remote store fails again and again.
    """
    shape = (batch_size, *dataset.image_shape)
    for images, labels in regroup(read_examples(uris, dataset), batch_size):
        missing = batch_size - len(labels)
        rows = np.pad(images, [(0, missing), (0, 0)]).reshape(shape)
        yield Batch(rows, np.pad(labels, (0, missing)), len(labels))
