"""Tiny datasets for the stages that use TensorFlow, and what a model says of itself.

Each class of the images has its own bright spot.
"""

import json
import os

import google_crc32c
import numpy as np

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import MANIFEST, Dataset, Shard


def spots(count, shape=(8, 8), num_classes=4, dtype="uint8", seed=0):
    """Return images of noise with a bright row per class, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % num_classes
    images = random.uniform(0, 0.3, (count, *shape))
    images[np.arange(count), labels % shape[0], 1:5] = 0.9
    if np.issubdtype(np.dtype(dtype), np.integer):
        images = images * np.iinfo(dtype).max
    return images.astype(dtype), labels.astype(np.int64)


def write_dataset(folder, images, labels, num_classes, num_shards=2, split="train", sources=None):
    """Write a dataset with TensorFlow's own writer and return its folder."""
    import tensorflow as tf

    os.makedirs(folder, exist_ok=True)
    shards = []
    for number, rows in enumerate(np.array_split(np.arange(len(images)), num_shards)):
        name = f"{number}.tfrecord"
        path = os.path.join(folder, name)
        with tf.io.TFRecordWriter(path) as writer:
            for row in rows:
                writer.write(_example(tf, images[row], labels[row]))
        data = storage.read(path)
        shards.append(Shard(name, len(rows), len(data), google_crc32c.value(data)))
    dataset = Dataset(
        split=split,
        image_shape=images.shape[1:],
        image_dtype=images.dtype.name,
        num_classes=num_classes,
        class_counts=tuple(int(n) for n in np.bincount(labels, minlength=num_classes)),
        shards=tuple(shards),
        sources=sources or {"images": "10-aa", "labels": "2-bb"},
        converter="test",
    )
    storage.write(storage.join(str(folder), MANIFEST), dataset.dumps())
    return str(folder)


def _example(tf, image, label):
    pixels = image.astype(image.dtype.newbyteorder("<")).tobytes()
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def write_card(folder, **changes):
    """Write the model.json of a model that was never trained and return its folder."""
    body = {
        "schema_version": 1,
        "version": "0.0-test",
        "step": 70,
        "loss": 0.5,
        "parameters": 1,
        "num_classes": 3,
        "image_shape": [4, 4],
        "image_dtype": "uint8",
        "num_examples": 9,
        "sources": {"images": "1-00", "labels": "2-00"},
        "config": {},
        **changes,
    }
    with open(os.path.join(folder, "model.json"), "w") as stream:
        json.dump(body, stream)
    return str(folder)
