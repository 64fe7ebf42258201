"""A model written by hand, so that its every answer is known: logits are the first pixels."""

import numpy as np
import pytest

from idxpipe.components.core.tf_host import quiet_import
from tests.datasets import write_card, write_dataset

with quiet_import():
    import tensorflow as tf

    tf.config.list_logical_devices()


class FirstPixels(tf.Module):
    """Logits of class c are pixel (0, c) as a number."""

    def __init__(self, shape, dtype, num_classes, scale=1.0):
        super().__init__()
        self.scale = tf.Variable(scale)

        def serve(images):
            rows = tf.cast(tf.reshape(images, [-1, int(np.prod(shape))]), tf.float32)
            return {"logits": rows[:, :num_classes] * self.scale}

        spec = tf.TensorSpec([None, *shape], dtype, name="images")
        self.serve = tf.function(serve, input_signature=[spec])


def write_model(folder, shape=(4, 4), dtype="uint8", num_classes=3, scale=1.0, card=None):
    model = FirstPixels(shape, dtype, num_classes, scale)
    tf.saved_model.save(model, folder, signatures={"serving_default": model.serve})
    said = {"image_shape": shape, "image_dtype": dtype, "num_classes": num_classes}
    return write_card(folder, **{**said, **(card or {})})


# Ten examples of three classes, class 2 never predicted. Each row: logits, label.
ANSWERS = (
    ((9, 1, 0), 0),
    ((8, 2, 0), 0),
    ((7, 3, 0), 0),
    ((1, 6, 0), 0),  # wrong, by 5
    ((0, 9, 1), 1),
    ((2, 8, 0), 1),
    ((9, 1, 1), 1),  # wrong, by 8
    ((1, 5, 2), 2),  # wrong, by 4
    ((7, 0, 5), 2),  # wrong, by 2
    ((5, 4, 0), 0),
)

LOGITS = np.array([logits for logits, _ in ANSWERS], np.float32)


def answers(shape=(4, 4), dtype="uint8"):
    images = np.zeros((len(ANSWERS), *shape), dtype)
    images.reshape(len(ANSWERS), -1)[:, :3] = [logits for logits, _ in ANSWERS]
    return images, np.array([label for _, label in ANSWERS], np.int64)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_model(str(tmp_path_factory.mktemp("trained") / "model"))


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    return write_dataset(folder, *answers(), 3, split="test")
