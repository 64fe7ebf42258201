"""The SavedModel as a `.tflite` file of float32 weights, and a way to call it."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.tf_host import quiet_import

_SIGNATURE = "serving_default"


def save_tflite(saved_model: str, path: str) -> None:
    """Convert a SavedModel that holds nothing but what serving needs.

    Made from one that tracks an optimizer, weights have come out as NaN without an error.

    Args:
        saved_model: Its folder.
        path: The file to write.

    Raises:
        UsageError: If the network has operations that TFLite has not.
    """
    # The converter and the interpreter log to file descriptor 2, whatever the level.
    with quiet_import(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved_model, signature_keys=[_SIGNATURE]
        )
        try:
            content = converter.convert()
        except Exception as error:
            raise UsageError(
                "network cannot be converted to TFLite",
                where="export_tflite",
                expected="operations that TFLite has built in",
                found=_missing(str(error)),
                remedy="train without export_tflite, or change the network",
            ) from None
    with open(path, "wb") as stream:
        stream.write(content)


def _missing(message: str) -> str:
    """Return the line of the converter's message that names operations, or else the first one."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no message"]
    return next((line for line in lines if re.match(r"(TF Select|Custom) ops:", line)), lines[0])


def load_tflite(path: str) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return a function from images to outputs by name: the SavedModel's signature."""
    with quiet_import(), warnings.catch_warnings():
        # It warns of its move to another package; this one is there with TensorFlow.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=path)
        runner = interpreter.get_signature_runner(_SIGNATURE)

    def call(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        with quiet_import():
            outputs: dict[str, NDArray[Any]] = runner(images=np.ascontiguousarray(images))
        return outputs

    return call
