"""The trained network as a published model: every format, and both of its cards."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.core.integrity.digest import README, digest_files
from idxpipe.components.core.model import ModelCard
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.formats import CHECKED, check_convertible, save_formats
from idxpipe.components.train.export.model_card import render
from idxpipe.components.train.export.model_folder import check_folder
from idxpipe.components.train.export.saved_model import export_model
from idxpipe.components.train.network.model import in_float32

# What a training needs of publishing, before and after.
__all__ = ["CHECKED", "check_convertible", "check_folder", "publish_model"]


def publish_model(
    network: keras.Model,
    config: TrainConfig,
    dataset: Dataset,
    images: NDArray[np.generic],
    card: ModelCard,
    points: Sequence[dict[str, Any]],
) -> ModelCard:
    """Publish a network, if every format does what it does on some training images.

    Args:
        network: Trained.
        config: What `build_model` made it of.
        dataset: What it was trained on.
        images: [N, *image_shape] of it, to check the formats with.
        card: Facts of the model; names and digests of its files are added.
        points: Of the training's history.

    Returns:
        What its model.json says.

    Raises:
        IdxpipeError: As `save_formats` and `export_model`.
    """
    # Whoever serves it need not have the trainer's hardware.
    served = in_float32(network, config, dataset.image_shape, dataset.num_classes)

    def save(path: str) -> ModelCard:
        files = save_formats(served, images, path, config, dataset.pixel_range)
        # The card for people names the model's digest, and so is no part of it.
        whole = dataclasses.replace(card, files=tuple(files), digests=digest_files(path))
        text = render(whole.to_json(), dataset, points)
        storage.write(storage.join(path, README), text.encode())
        return dataclasses.replace(whole, digests=digest_files(path))

    return export_model(save, card.uri)
