"""A SavedModel of the train stage, ready to call."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from idxpipe.components.core.dataset.staging import local_copy
from idxpipe.components.core.errors import DataError, IdxpipeError, SetupError
from idxpipe.components.core.integrity.digest import check_files
from idxpipe.components.core.model import ModelCard
from idxpipe.components.evaluate.inference.operations import check_operations
from idxpipe.components.evaluate.inference.replicas import Logits

# Beside the SavedModel: half of the bytes, and not needed to load it.
# Source: components/train/export/formats.py.
_OTHER_FORMATS = ("model.keras", "model.tflite")


def load_model(card: ModelCard, devices: list[str], *, trust: bool = False) -> list[Logits]:
    """Load the model, once per device.

    Args:
        card: From `read_card`.
        devices: TensorFlow's names of the devices to run on.
        trust: Load it even if it does more than compute.

    Returns:
        For each device a function from a padded batch of images [B, *image_shape], of which the
        first N are real, and N, to float32 logits [N, num_classes]. It raises a DataError if they
        are not finite, and a SetupError if the device's memory is too small for the batch.

    Raises:
        DataError: If a file is not what the card lists, or the SavedModel does not do what its
            card says, or more than that.
        SetupError: If a copy of it does not fit on the disk.
        TransientError: If the store fails again and again.
    """
    try:
        # Loading reads the variables, so that a copy is no longer needed afterwards.
        with local_copy(card.uri, _OTHER_FORMATS) as path:
            check_files(path, card.uri, card.digests, _OTHER_FORMATS)
            if not trust:
                check_operations(path, card.uri)
            copies = [_load(path, device) for device in devices]
        signature = copies[0].signatures["serving_default"]
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
    return [_replica(card, loaded, device) for loaded, device in zip(copies, devices, strict=True)]


def _load(path: str, device: str) -> Any:
    with tf.device(device):
        return tf.saved_model.load(path)


def _replica(card: ModelCard, loaded: Any, device: str) -> Logits:
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
