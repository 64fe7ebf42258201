"""The trained network as a SavedModel that needs neither Keras nor the optimizer."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.model import ModelCard, write_card
from idxpipe.components.train.export.canonical import renumber_functions
from idxpipe.components.train.export.model_folder import forget_replaced, replace
from idxpipe.components.train.network.model import (
    call_model,
    is_random_state,
    statistics_of,
    to_unit,
)


class Servable(tf.Module):  # type: ignore[misc]
    """A classifier with plain variables.

    Args:
        model: From float32 images to logits.
        image_shape: Shape of one image.
        image_dtype: What callers send.
        pixel_range: See `to_unit`.
    """

    def __init__(
        self,
        model: keras.Model,
        image_shape: tuple[int, ...],
        image_dtype: str,
        pixel_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        # Copies: a model that drags its optimizer along is larger, and converters stumble over it.
        self.weights = [_copy(weight) for weight in model.trainable_variables]
        self.statistics = [_copy(value) for value in statistics_of(model)]
        others: list[Any] = list(self.statistics)
        for number, variable in enumerate(model.non_trainable_variables):
            if is_random_state(variable):
                others.insert(number, tf.constant(variable.numpy()))

        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            values, states = (
                [tf.convert_to_tensor(v) for v in vs] for vs in (self.weights, others)
            )
            unit = to_unit(images, pixel_range)
            logits, _, _ = call_model(model, values, states, unit, training=False)
            return {
                "classes": tf.argmax(logits, axis=-1, output_type=tf.int64),
                "probabilities": tf.nn.softmax(logits),
                "logits": logits,
            }

        spec = tf.TensorSpec([None, *image_shape], image_dtype, name="images")
        self.serve = tf.function(serve, input_signature=[spec], autograph=False)


def _copy(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(variable.numpy(), trainable=False, name=variable.name)


def export_model(save: Callable[[str], ModelCard], uri: str) -> ModelCard:
    """Publish a model in the folder `uri`, its card last: a model exists when that does.

    Whatever goes wrong before all files are written leaves an earlier model as it was.

    Args:
        save: Writes the files into a local folder that is there, and returns the card.
        uri: Its folder, which `check_folder` has seen; an earlier model there is replaced.

    Returns:
        The card.

    Raises:
        SetupError: If it cannot be written.
        TransientError: If a remote store fails again and again.
        IdxpipeError: Whatever `save` raises.
    """
    try:
        card = replace(save, uri)
    except (tf.errors.OpError, OSError) as error:
        raise SetupError(
            "cannot write the model",
            where=uri,
            found=str(error).splitlines()[0],
            remedy="free disk space, or give another folder; training is not lost",
        ) from None
    write_card(card)
    forget_replaced(uri)
    return card


def save_servable(servable: Servable, path: str) -> None:
    """Write the SavedModel into a local folder."""
    signature = servable.serve.get_concrete_function()
    tf.saved_model.save(servable, path, signatures={"serving_default": signature})
    # Readers can do without it, and its random identifier would make equal runs differ.
    fingerprint = f"{path.rstrip('/')}/fingerprint.pb"
    if tf.io.gfile.exists(fingerprint):
        tf.io.gfile.remove(fingerprint)
    renumber_functions(path)
