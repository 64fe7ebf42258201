"""A whole split in memory, read once, a batch of records at a time."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.core.dataset import Dataset
from components.core.errors import CONVERT_AGAIN, DataError
from components.core.tf_host import records_error, tf_path

_BATCH_BYTES = 8 << 20

# Source: components/core/tfrecord.py, which writes them.
_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def read_examples(
    uris: list[str], dataset: Dataset
) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Read every record of a dataset.

    Args:
        uris: The shards, in order.
        dataset: Their manifest.

    Returns:
        Images [N, pixels] in the dataset's dtype and labels int64 [N], in the records' order.

    Raises:
        DataError: If a shard is corrupt, has another number of records than the manifest says,
            or holds an image or a label that cannot be in this dataset.
        SetupError: If a shard on gs:// may not be read.
        TransientError: If the stream from gs:// broke.
    """
    pixels = int(np.prod(dataset.image_shape))
    images = np.empty((dataset.num_examples, pixels), dataset.image_dtype)
    labels = np.empty(dataset.num_examples, np.int64)
    start = 0
    for uri, shard in zip(uris, dataset.shards, strict=True):
        stop = start + shard.examples
        _read_shard(uri, images[start:stop], labels[start:stop])
        start = stop
    _check_labels(labels, dataset, uris)
    return images, labels


def _read_shard(uri: str, images: NDArray[np.generic], labels: NDArray[np.int64]) -> None:
    """Fill `images` and `labels` with the records of one shard."""
    dtype = images.dtype
    records = tf.data.TFRecordDataset(tf_path(uri))
    batch = max(1, _BATCH_BYTES // (images[:1].nbytes or 1))
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = tf.io.parse_example(serialized, _FEATURES)
        return tf.io.decode_raw(features["image"], dtype, little_endian=True), features["label"]

    done = 0
    try:
        for rows, row_labels in records.batch(batch).map(parse).with_options(options):
            stop = done + len(row_labels)
            if rows.shape[1] != images.shape[1] or stop > len(labels):
                raise DataError(
                    "records are not what the manifest says",
                    where=uri,
                    expected=f"{len(labels)} images of {images.shape[1]} pixels ({dtype})",
                    found=f"{stop} or more, of {rows.shape[1]} pixels",
                    remedy=CONVERT_AGAIN,
                )
            images[done:stop], labels[done:stop] = rows.numpy(), row_labels.numpy()
            done = stop
    except tf.errors.OpError as error:
        raise records_error(uri, error.error_code, error.message) from None
    if done != len(labels):
        raise DataError(
            "shard has fewer records than the manifest says",
            where=uri,
            expected=len(labels),
            found=done,
            remedy=CONVERT_AGAIN,
        )


def _check_labels(labels: NDArray[np.int64], dataset: Dataset, uris: list[str]) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= dataset.num_classes))
    if wrong.size:
        raise DataError(
            f"record {wrong[0]} of the split has a label that is no class",
            where=uris[0],
            expected=f"0 to {dataset.num_classes - 1}",
            found=int(labels[wrong[0]]),
            remedy=CONVERT_AGAIN,
        )
