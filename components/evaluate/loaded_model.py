"""A SavedModel of the train stage, ready to call."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.core.errors import DataError
from components.core.staging import local_copy
from components.evaluate.card import ModelCard

Logits = Callable[[NDArray[np.generic], int], NDArray[np.float32]]


def load_model(card: ModelCard, device: str) -> Logits:
    """Load the model.

    Args:
        card: From `read_card`.
        device: TensorFlow's name of the device to run on.

    Returns:
        A function from a padded batch of images [B, *image_shape], of which the first N are real,
        and N, to float32 logits [N, num_classes]. It raises a DataError if they are not finite.

    Raises:
        DataError: If the SavedModel is damaged or has another signature.
    """
    try:
        # Loading reads the variables, so that a copy is no longer needed afterwards.
        with local_copy(card.uri) as path, tf.device(device):
            loaded = tf.saved_model.load(path)
        loaded.signatures["serving_default"].structured_outputs["logits"]
    except (tf.errors.OpError, OSError, KeyError, ValueError) as error:
        raise DataError(
            "model cannot be loaded",
            where=card.uri,
            expected="a SavedModel whose serving_default gives logits",
            found=(str(error).splitlines() or [type(error).__name__])[0],
            remedy="train again",
        ) from None

    def logits_of(images: NDArray[np.generic], real: int) -> NDArray[np.float32]:
        with tf.device(device):
            # Not the bare signature: its variables live only as long as `loaded`.
            outputs = loaded.signatures["serving_default"](images=tf.constant(images))
        logits: NDArray[np.float32] = outputs["logits"].numpy()[:real]
        if not np.isfinite(logits).all():
            raise DataError(
                "model gives logits that are not finite numbers",
                where=card.uri,
                remedy="look for broken values in the images, or train again",
            )
        return logits

    return logits_of
