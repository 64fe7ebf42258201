"""A SavedModel of the train stage, ready to call."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.core.errors import DataError
from components.core.staging import local_copy
from components.evaluate.card import ModelCard

Predict = Callable[[NDArray[np.generic]], NDArray[np.float32]]


def load_predict(card: ModelCard, device: str) -> Predict:
    """Load the model.

    Args:
        card: From `read_card`.
        device: TensorFlow's name of the device to run on.

    Returns:
        A function from images [N, *image_shape] to float32 logits [N, num_classes].

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

    def predict(images: NDArray[np.generic]) -> NDArray[np.float32]:
        with tf.device(device):
            # Not the bare signature: its variables live only as long as `loaded`.
            outputs = loaded.signatures["serving_default"](images=tf.constant(images))
        logits: NDArray[np.float32] = outputs["logits"].numpy()
        return logits

    return predict
