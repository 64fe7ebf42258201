"""Whether the examples of a split fit in memory, and the split there."""

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.dataset.examples import read_examples
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.errors import SetupError
from idxpipe.components.train.input.memory import available_memory


def fit_in_memory(records: str, dataset: Dataset, window: int, memory_bytes: int) -> bool:
    """Tell whether the split is to be held in memory whole; else it is streamed by windows.

    Either way the batches are the same.

    Args:
        records: What to call the dataset in errors.
        dataset: Its manifest.
        window: Examples that are shuffled among themselves.
        memory_bytes: The most that examples may take; 0 stands for what is free.

    Raises:
        SetupError: If not even two windows fit: the one that is trained on, and the next.
    """
    limit = memory_bytes or available_memory()
    example_bytes = dataset.image_bytes + np.dtype(np.int64).itemsize
    # Once as read and once as TensorFlow's.
    if 2 * dataset.num_examples * example_bytes <= limit:
        return True
    window = min(window, dataset.num_examples)
    if window < dataset.num_examples and 2 * window * example_bytes <= limit:
        return False
    raise SetupError(
        "examples do not fit in memory, and their windows neither",
        where=records,
        expected=f"{2 * window * example_bytes / 2**20:,.1f} MiB, for two windows of {window}",
        found=f"{limit / 2**20:,.1f} MiB",
        remedy=f"a shuffle_buffer of {limit // (2 * example_bytes)} or less; with a dataset "
        "converted with a shuffle_seed its batches are as mixed",
    )


def load_examples(
    uris: list[str], dataset: Dataset
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Read the whole split.

    Args:
        uris: The shards, in order.
        dataset: Their manifest.

    Returns:
        Images [N, pixels] in the dataset's dtype and labels int64 [N], in the records' order.

    Raises:
        DataError: With the byte of the first damage, or if a shard is not what the manifest says.
        SetupError: If the format's package is missing, or a shard may not be read.
        TransientError: If a remote store fails again and again.
    """
    pixels = dataset.image_bytes // np.dtype(dataset.image_dtype).itemsize
    images = np.empty((dataset.num_examples, pixels), dataset.image_dtype)
    labels = np.empty(dataset.num_examples, np.int64)
    start = 0
    for rows, row_labels in read_examples(uris, dataset):
        stop = start + len(rows)
        images[start:stop], labels[start:stop] = rows, row_labels
        start = stop
    return images, labels


def first_images(uris: list[str], dataset: Dataset, most: int) -> NDArray[np.generic]:
    """Return the first images of the split: [N, *image_shape], 0 < N <= `most`.

    Raises:
        IdxpipeError: See `load_examples`.
    """
    images, _ = next(iter(read_examples(uris, dataset)))
    return np.array(images[:most]).reshape(-1, *dataset.image_shape)
