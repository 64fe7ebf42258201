"""What TensorFlow makes of the step for many replicas; tests/pipeline/tpu compiles it."""

import re
import sys

import pytest

from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.train.config import TrainConfig

with quiet_import():
    from idxpipe.components.train.lowering.programs import (
        Images,
        lower_loop,
        lower_serving,
        lower_step,
    )

IMAGES = Images((8, 8), "uint8", 4)


def config(**changes):
    return TrainConfig(**{"model": "tiny", "precision": "float32", **changes}).resolved()


def reductions(text):
    return re.findall(r'"stablehlo.all_reduce".*replica_groups = dense<([^>]*)>', text)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A network of the user's own around one expression in x, float32 [N, 64]."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(expression):
        (tmp_path / "mine_to_lower.py").write_text(f"""
import keras
import tensorflow as tf

class Middle(keras.layers.Layer):
    def call(self, x):
        return {expression}

def net(image_shape, num_classes, **_):
    layers = keras.layers
    return keras.Sequential([layers.Flatten(), Middle(dtype="float32"), layers.Dense(num_classes)])
""")
        return config(model="mine_to_lower:net")

    yield write
    sys.modules.pop("mine_to_lower", None)


def test_every_gradient_is_summed_over_all_replicas():
    program = lower_step(config(), IMAGES, 8)
    assert (program.replicas, program.examples, program.steps) == (8, 128, 1)
    groups = reductions(program.text)
    # Kernel and bias of two convolutions and of the logits.
    assert len(groups) >= 6
    assert set(groups) == {"[[0, 1, 2, 3, 4, 5, 6, 7]]"}
    assert "tensor<16x8x8xui8>" in program.text
    # Which replica it is decides its dropout; the device knows it, not the program.
    assert "stablehlo.replica_id" in program.text


def test_one_replica_sums_nothing():
    assert not reductions(lower_step(config(), IMAGES, 1).text)


def test_no_operation_is_left_that_is_not_stablehlo():
    assert not re.search(r"= \"?(mhlo|chlo)\.", lower_step(config(), IMAGES, 8).text)


def test_variables_are_overwritten_in_place():
    text = lower_step(config(), IMAGES, 1).text
    aliased = re.search(r"mhlo.input_output_alias = \[(.*?)\], mhlo", text)[1]
    results = re.search(r"func.func @main\(.*\) -> \((.*)\) \{", text)[1]
    # All but the loss.
    assert aliased.count("parameter_number") == results.count("tensor<") - 1


def test_precision_is_the_recipes():
    products = re.compile(r"stablehlo\.convolution.*xbf16>, tensor<\S+xbf16>\)")
    assert products.search(lower_step(config(precision="bfloat16"), IMAGES, 8).text)
    assert not products.search(lower_step(config(), IMAGES, 8).text)


def test_augmentation_gathers_no_pixels_one_by_one():
    """On a TPU that would move many times the bytes of all the rest."""
    text = lower_step(config(augment_rotate=12.0), IMAGES, 8).text
    assert "gather" not in text
    assert text.count("stablehlo.dot_general") > lower_step(config(), IMAGES, 8).text.count(
        "stablehlo.dot_general"
    )


def test_a_loop_of_all_its_steps():
    program = lower_loop(config(iterations=7), IMAGES, 8)
    assert (program.examples, program.steps) == (7 * 128, 7)
    assert "stablehlo.while" in program.text
    assert "tensor<7x16x8x8xui8>" in program.text
    assert len(reductions(program.text)) >= 6


def test_the_signature_that_is_exported():
    program = lower_serving(config(precision="bfloat16"), IMAGES, 50)
    assert (program.replicas, program.examples, program.steps) == (1, 50, 0)
    main = re.search(r"@main\((.*)", program.text)[1]
    assert "tensor<50x8x8xui8>" in main
    assert "tensor<50x4xf32>" in main
    assert "bf16" not in program.text


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("x + tf.strings.to_number(tf.strings.as_string(tf.reduce_sum(x)))", "AsString"),
        (
            "x + tf.stop_gradient(tf.ensure_shape(tf.numpy_function(abs, [x], x.dtype), x.shape))",
            "PyFunc",
        ),
    ],
    ids=["strings", "Python"],
)
def test_an_operation_that_no_tpu_has(own, expression, found):
    with pytest.raises(SetupError, match="operations that no TPU has") as caught:
        lower_step(own(expression), IMAGES, 8)
    assert found in caught.value.found
    assert caught.value.where.endswith("mine_to_lower.py:7")


@pytest.mark.parametrize(
    "expression",
    [
        "x + tf.cast(tf.reduce_sum(tf.range(tf.cast(tf.reduce_sum(x), tf.int32))), x.dtype)",
        "x + tf.reduce_mean(tf.tile(x, [tf.cast(tf.reduce_sum(x), tf.int32), 1]))",
    ],
    ids=["range", "tile"],
)
def test_a_shape_that_depends_on_values(own, expression):
    with pytest.raises(SetupError, match="cannot compile") as caught:
        lower_step(own(expression), IMAGES, 8)
    assert "must be a compile-time constant" in caught.value.found
    assert caught.value.where.endswith("mine_to_lower.py:7")
    assert "shape" in caught.value.remedy


def test_a_batch_that_cannot_be_split():
    with pytest.raises(UsageError) as caught:
        lower_step(config(batch_size=100), IMAGES, 8)
    assert "8 replicas" in caught.value.expected
    assert caught.value.found == 100
