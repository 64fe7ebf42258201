"""What a model is published as: each format is loaded again and held against the model itself."""

import os
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from idxpipe.components.core.errors import DataError, IdxpipeError
from idxpipe.components.core.narration import say
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.keras_file import save_keras
from idxpipe.components.train.export.saved_model import Servable, save_servable
from idxpipe.components.train.export.tflite_file import load_tflite, save_tflite
from idxpipe.components.train.network.model import in_float32, to_unit

KERAS_FILE = "model.keras"
TFLITE_FILE = "model.tflite"
# Examples of the training set that every format classifies.
CHECKED = 256
# Of the largest logit: formats may add in another order, and no more.
TOLERANCE = 1e-3

Array = NDArray[Any]


def save_formats(
    model: keras.Model,
    images: Array,
    path: str,
    config: TrainConfig,
    pixel_range: tuple[float, float] | None = None,
) -> list[str]:
    """Write a model in every format into a folder.

    Args:
        model: From float32 images in [0, 1] to logits; it computes in float32.
        images: [N, *image_shape] of the type that callers will send, to check the formats with.
        path: A local folder.
        config: Says whether TFLite is wanted, too, and whether the network is the user's own: one
            that Keras cannot save or load gets no Keras file, and a line that says so.
        pixel_range: See `to_unit`.

    Returns:
        The files beside the SavedModel.

    Raises:
        DataError: If the model gives numbers that are not finite.
        UsageError: If it cannot be converted to TFLite.
        IdxpipeError: If a format gives other logits than the model.
    """
    unit = to_unit(tf.constant(images), pixel_range)
    expected = model(unit, training=False).numpy()
    if not np.isfinite(expected).all():
        raise DataError(
            "model gives logits that are not finite numbers",
            where="training",
            found=f"in {int((~np.isfinite(expected)).any(axis=1).sum())} of {len(images)} examples",
            remedy="lower learning_rate, or look for broken values in the images; "
            "nothing was exported",
        )
    files = []
    servable = Servable(model, images.shape[1:], images.dtype.name, pixel_range)
    save_servable(servable, path)
    served = tf.saved_model.load(path)
    outputs = served.signatures["serving_default"](images=tf.constant(images))
    check_outputs("SavedModel", {n: v.numpy() for n, v in outputs.items()}, expected)
    if _save_keras(model, unit, expected, f"{path}/{KERAS_FILE}", ":" in config.model):
        files.append(KERAS_FILE)
    if config.export_tflite:
        save_tflite(path, f"{path}/{TFLITE_FILE}")
        check_outputs(TFLITE_FILE, load_tflite(f"{path}/{TFLITE_FILE}")(images), expected)
        files.append(TFLITE_FILE)
    return files


def check_convertible(
    model: keras.Model, config: TrainConfig, image_shape: tuple[int, ...], image_dtype: str
) -> None:
    """Check, if it is to be asked of TFLite, that it has all the operations of a model.

    Raises:
        UsageError: If it has not.
    """
    if not config.export_tflite:
        return
    with temporary_folder("tflite") as folder:
        twin = in_float32(model, config, image_shape, model.output_shape[-1])
        save_servable(Servable(twin, image_shape, image_dtype), folder)
        save_tflite(folder, f"{folder}/{TFLITE_FILE}")


def check_outputs(name: str, outputs: dict[str, Array], expected: Array) -> None:
    """Check what a served format gives.

    Args:
        name: Of the format.
        outputs: `classes` [N], `probabilities` and `logits` [N, num_classes].
        expected: float32 [N, num_classes], the model's logits.

    Raises:
        IdxpipeError: If they are not those of the model.
    """
    logits = outputs["logits"]
    check_logits(name, logits, expected)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    off = np.abs(outputs["probabilities"] - shares).max()
    # Written so that NaN fails.
    if not off <= TOLERANCE:
        raise _differs(name, "probabilities that are the softmax of its logits", f"{off:.2g} off")
    wrong = int((outputs["classes"] != logits.argmax(axis=1)).sum())
    if wrong:
        raise _differs(name, "classes with the largest logits", f"{wrong} others")


def check_logits(name: str, logits: Array, expected: Array) -> None:
    """Check that a format gives the model's logits, within `TOLERANCE` of the largest.

    Raises:
        IdxpipeError: If it does not.
    """
    if logits.shape != expected.shape:
        raise _differs(name, f"logits of shape {list(expected.shape)}", list(logits.shape))
    bound = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    off = np.abs(logits - expected).max()
    if not off <= bound:
        raise _differs(
            name, f"the model's logits, to {bound:.2g}, on {len(logits)} examples", f"{off:.2g} off"
        )


def _differs(name: str, expected: str, found: object) -> IdxpipeError:
    return IdxpipeError(
        "exported model does not do what the trained one does; nothing was published",
        where=name,
        expected=expected,
        found=found,
        remedy="report this with the versions of tensorflow and keras; the checkpoints are whole, "
        "and the same command exports again"
        + (", without export_tflite in the other formats" if name == TFLITE_FILE else ""),
    )


def _save_keras(model: keras.Model, unit: tf.Tensor, expected: Array, path: str, own: bool) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save_keras(model, path)
            loaded = keras.models.load_model(path, compile=False)
    except Exception as error:
        if not own or isinstance(error, OSError):
            raise
        say(f"no {KERAS_FILE}: {(str(error).strip().splitlines() or [type(error).__name__])[0]}")
        for name in os.listdir(os.path.dirname(path)):
            if name.endswith(".keras"):
                os.remove(os.path.join(os.path.dirname(path), name))
        return False
    check_logits(KERAS_FILE, loaded(unit, training=False).numpy(), expected)
    return True
