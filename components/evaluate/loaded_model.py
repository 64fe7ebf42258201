"""A SavedModel of the train stage, ready to call."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.core.errors import DataError, IdxpipeError, SetupError
from components.core.staging import local_copy
from components.evaluate.card import ModelCard

# Beside the SavedModel: half of the bytes, and not needed to load it.
# Source: components/train/formats.py.
_OTHER_FORMATS = ("model.keras", "model.tflite")

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
        DataError: If the SavedModel is damaged, or does not do what its card says.
        SetupError: If a copy of it does not fit on the disk.
        TransientError: If the store fails again and again.
    """
    try:
        # Loading reads the variables, so that a copy is no longer needed afterwards.
        with local_copy(card.uri, _OTHER_FORMATS) as path, tf.device(device):
            loaded = tf.saved_model.load(path)
        signature = loaded.signatures["serving_default"]
        takes = signature.structured_input_signature[1]["images"]
        gives = signature.structured_outputs["logits"]
    except IdxpipeError:
        raise
    except Exception as error:
        # A flipped bit in a graph can end in any exception.
        raise DataError(
            "model cannot be loaded",
            where=card.uri,
            expected="a SavedModel whose serving_default gives logits",
            found=(str(error).splitlines() or [type(error).__name__])[0],
            remedy="train again",
        ) from None
    _check_signature(card, takes, gives)

    def logits_of(images: NDArray[np.generic], real: int) -> NDArray[np.float32]:
        try:
            with tf.device(device):
                # Not the bare signature: its variables live only as long as `loaded`.
                outputs = loaded.signatures["serving_default"](images=tf.constant(images))
        except tf.errors.ResourceExhaustedError as error:
            raise SetupError(
                "batch does not fit into the memory of the device",
                where=device,
                found=f"{len(images)} images, {error.message.splitlines()[0]}",
                remedy="take a smaller batch",
            ) from None
        logits: NDArray[np.float32] = outputs["logits"].numpy()[:real]
        if not np.isfinite(logits).all():
            raise DataError(
                "model gives logits that are not finite numbers",
                where=card.uri,
                remedy="look for broken values in the images, or train again",
            )
        return logits

    return logits_of


def _check_signature(card: ModelCard, takes: tf.TensorSpec, gives: tf.TensorSpec) -> None:
    images = tf.TensorSpec([None, *card.image_shape], card.image_dtype)
    logits = tf.TensorSpec([None, card.num_classes], tf.float32)
    for name, said, found in (("images", images, takes), ("logits", logits, gives)):
        if not (said.dtype == found.dtype and said.shape.is_compatible_with(found.shape)):
            raise DataError(
                f"model has other {name} than its card says",
                where=card.uri,
                expected=f"{said.dtype.name} {said.shape}",
                found=f"{found.dtype.name} {found.shape}",
                remedy="train again",
            )
