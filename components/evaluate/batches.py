"""A split in order, every example exactly once, in batches of one size."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.core.dataset import Dataset
from components.core.errors import CONVERT_AGAIN, DataError
from components.core.tf_host import records_error, tf_path

# Source: components/core/tfrecord.py, which writes them.
_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


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
        DataError: If a record is corrupt, or an image or a label cannot be in this dataset.
        SetupError: If a shard on gs:// may not be read.
        TransientError: If the stream from gs:// broke.
    """
    options = tf.data.Options()
    # The autotuner sleeps for seconds before it lets go of a dataset.
    options.autotune.enabled = False
    options.deterministic = True

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.io.parse_example(serialized, _FEATURES)
        pixels = tf.io.decode_raw(features["image"], dataset.image_dtype, little_endian=True)
        return pixels, features["label"]

    records = tf.data.TFRecordDataset([tf_path(uri) for uri in uris])
    try:
        for rows, labels in records.batch(batch_size).map(parse).prefetch(1).with_options(options):
            yield _pad(rows.numpy(), labels.numpy(), dataset, batch_size, uris)
    except tf.errors.OpError as error:
        raise records_error(uris[0], error.error_code, error.message) from None


def _pad(
    rows: NDArray[np.generic],
    labels: NDArray[np.int64],
    dataset: Dataset,
    batch_size: int,
    uris: list[str],
) -> Batch:
    real, pixels = rows.shape
    if pixels != int(np.prod(dataset.image_shape)):
        raise DataError(
            "images have another size than the manifest says",
            where=uris[0],
            expected=f"{dataset.image_shape} pixels",
            found=f"{pixels} pixels",
            remedy=CONVERT_AGAIN,
        )
    wrong = labels[(labels < 0) | (labels >= dataset.num_classes)]
    if wrong.size:
        raise DataError(
            "a label is no class",
            where=uris[0],
            expected=f"0 to {dataset.num_classes - 1}",
            found=int(wrong[0]),
            remedy=CONVERT_AGAIN,
        )
    missing = batch_size - real
    images = np.pad(rows, [(0, missing), (0, 0)]).reshape(batch_size, *dataset.image_shape)
    return Batch(images, np.pad(labels, (0, missing)), real)
