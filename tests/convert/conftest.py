"""A data set of a few thousand images, and what reads a conversion back."""

import numpy as np
import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris
from tests.idxfiles import make_arrays, write_data_set

ARRAYS = make_arrays(train=3000)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("data"), ARRAYS)


def run(files, output, shards=1, **more):
    config = ConvertConfig(
        **{"dataset_name": "mnist", "num_shards": shards, **more.pop("config", {})}
    )
    return convert(files["train_images"], files["train_labels"], str(output), config, **more)


def read_back(output):
    """Read every record with TensorFlow's own reader and parser."""
    import tensorflow as tf

    dataset = read_dataset(str(output))
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    records = tf.data.TFRecordDataset(shard_uris(str(output), dataset))
    parsed = next(iter(records.batch(100_000))) if dataset.num_examples else None
    parsed = tf.io.parse_example(parsed, features)
    pixels = np.frombuffer(b"".join(parsed["image"].numpy()), f"<{_code(dataset.image_dtype)}")
    return pixels.reshape(-1, *dataset.image_shape), parsed["label"].numpy()


def _code(dtype):
    return np.dtype(dtype).str[1:]


def tree(folder) -> dict[str, bytes]:
    return {name: storage.read(f"{folder}/{name}") for name in storage.list_files(str(folder))}
