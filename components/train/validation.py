"""The curve beside the training's own: loss and accuracy on examples that are not trained on."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from idxpipe.components.core.dataset.examples import read_examples, regroup
from idxpipe.components.core.dataset.manifest import Dataset
from idxpipe.components.train.network.model import call_model, to_unit

Scores = dict[str, float]


def make_validation(
    model: keras.Model,
    uris: list[str],
    dataset: Dataset,
    batch_size: int,
    pixel_range: tuple[float, float] | None = None,
) -> Callable[[], Scores]:
    """Return a function that scores the model as it is now; it changes nothing of the training.

    One device computes it, one batch of examples is in memory at a time.

    Args:
        model: From float32 images to logits; built.
        uris: The shards of the validation set.
        dataset: Their manifest.
        batch_size: Examples at a time.
        pixel_range: That of the training; None takes the dataset's own.

    Returns:
        A function to `validation_loss`, the mean cross entropy in nats without label smoothing, and
        `validation_accuracy`, over every example once.
    """
    size = min(batch_size, dataset.num_examples)
    pixel_range = pixel_range or dataset.pixel_range

    def score(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weights, others = (
            [tf.convert_to_tensor(variable.value) for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        )
        logits, _, _ = call_model(
            model, weights, others, to_unit(images, pixel_range), training=False
        )
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return losses, tf.argmax(logits, axis=-1, output_type=tf.int64) == labels

    compiled = tf.function(score, autograph=False)

    def validate() -> Scores:
        loss = right = 0.0
        for images, labels in regroup(read_examples(uris, dataset), size):
            real = len(labels)
            # Batches of one shape, or the last would be traced by itself.
            padded = np.pad(images, [(0, size - real), (0, 0)])
            losses, hits = compiled(
                tf.constant(padded.reshape(size, *dataset.image_shape)),
                tf.constant(np.pad(labels, (0, size - real))),
            )
            loss += float(losses.numpy()[:real].astype(np.float64).sum())
            right += int(hits.numpy()[:real].sum())
        count = dataset.num_examples
        return {"validation_loss": loss / count, "validation_accuracy": right / count}

    return validate
