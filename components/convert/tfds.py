"""The two files by which TensorFlow Datasets opens a converted split as a data set of its own.

Sources: dataset_info.proto and feature.proto in tensorflow_datasets/core/proto, as JSON; the file
names are those of tensorflow_datasets/core/naming.py.
"""

import json
from typing import Any

from idxpipe import __version__
from idxpipe.components.core.dataset.manifest import NO_COMPRESSION, Dataset

FEATURES = "features.json"
INFO = "dataset_info.json"
FILES = (FEATURES, INFO)

_CLASSES = "tensorflow_datasets.core.features."


def describe(dataset: Dataset) -> dict[str, bytes]:
    """Return the files to write beside the shards, by name.

    None if TFDS cannot read the shards: it knows no TFRecord files that are packed as a whole.
    """
    if dataset.compression != NO_COMPRESSION:
        return {}
    return {FEATURES: _dumps(_features(dataset)), INFO: _dumps(_info(dataset))}


def _features(dataset: Dataset) -> dict[str, Any]:
    image = {
        "pythonClassName": f"{_CLASSES}tensor_feature.Tensor",
        "tensor": {
            "dtype": dataset.image_dtype,
            "encoding": "bytes",
            "shape": {"dimensions": [str(size) for size in dataset.image_shape]},
        },
    }
    label = {
        "pythonClassName": f"{_CLASSES}class_label_feature.ClassLabel",
        "classLabel": {"numClasses": str(dataset.num_classes)},
    }
    return {
        "pythonClassName": f"{_CLASSES}features_dict.FeaturesDict",
        "featuresDict": {"features": {"image": image, "label": label}},
    }


def _info(dataset: Dataset) -> dict[str, Any]:
    split = {
        "name": dataset.split,
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "shardLengths": [str(shard.examples) for shard in dataset.shards],
        "numBytes": str(sum(shard.bytes for shard in dataset.shards)),
    }
    keys = [{"featureKey": name} for name in ("image", "label")]
    return {
        "name": dataset.dataset_name,
        "version": "1.0.0",
        "description": f"IDX files converted by idxpipe {__version__}.",
        "fileFormat": dataset.file_format,
        "supervisedKeys": {"tuple": {"items": keys}},
        "splits": [split],
    }


def _dumps(body: dict[str, Any]) -> bytes:
    return (json.dumps(body, indent=2) + "\n").encode()
