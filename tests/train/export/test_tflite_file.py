import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.export.saved_model import Servable, save_servable
from idxpipe.components.train.export.tflite_file import load_tflite, save_tflite
from idxpipe.components.train.network.networks import resnet, tiny
from tests.datasets import spots


@pytest.mark.parametrize(
    ("network", "shape", "dtype"),
    [(tiny, (8, 8), "uint8"), (resnet, (9, 7, 3), "float32"), (tiny, (6, 8), "int16")],
)
def test_it_does_what_the_saved_model_does(tmp_path, capfd, network, shape, dtype):
    images, _ = spots(33, shape, 5, dtype)
    servable = Servable(network(shape, 5, 0.2, seed=3), shape, dtype)
    save_servable(servable, str(tmp_path / "saved"))
    expected = servable.serve(tf.constant(images))
    capfd.readouterr()
    save_tflite(str(tmp_path / "saved"), str(tmp_path / "m.tflite"))
    call = load_tflite(str(tmp_path / "m.tflite"))
    for part in (slice(0, 33), slice(3, 4)):
        outputs = call(images[part])
        assert set(outputs) == set(expected)
        for name, values in outputs.items():
            np.testing.assert_allclose(values, expected[name][part], atol=1e-5)
    # Not a word of TensorFlow's.
    assert capfd.readouterr() == ("", "")


def test_operations_that_tflite_has_not_are_named(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2], tf.float32, name="images")])
    def serve(images):
        return {"logits": tf.linalg.det(images)}

    module.serve = serve
    tf.saved_model.save(module, tmp_path / "saved", signatures={"serving_default": serve})
    with pytest.raises(UsageError, match="cannot be converted to TFLite") as caught:
        save_tflite(str(tmp_path / "saved"), str(tmp_path / "m.tflite"))
    assert "MatrixDeterminant" in caught.value.found
    assert not (tmp_path / "m.tflite").exists()
