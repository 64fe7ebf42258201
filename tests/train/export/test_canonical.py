"""TensorFlow reads what was renumbered, and the bytes do not tell what was traced before."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from idxpipe.components.train.export.canonical import renumber_functions
from idxpipe.components.train.export.saved_model import Servable, save_servable
from idxpipe.components.train.network.networks import cnn

IMAGES = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(np.uint8)


def trace_something():
    for _ in range(7):
        tf.function(lambda x: x + 1).get_concrete_function(tf.constant(1.0))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_trust_5_the_same_model_is_the_same_bytes_whatever_was_traced_before(tmp_path):
    model = cnn((28, 28), 10, 0.4, seed=1)
    for name in ("a", "b"):
        trace_something()
        save_servable(Servable(model, (28, 28), "uint8"), str(tmp_path / name))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    (logits,) = (
        loaded.signatures["serving_default"](images=tf.constant(IMAGES))[name]
        for name in ["logits"]
    )
    expected = model(IMAGES.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    again = tf.saved_model.load(str(tmp_path / "b"))
    np.testing.assert_array_equal(again.serve(tf.constant(IMAGES))["logits"], logits)


def test_names_change_all_at_once(tmp_path):
    """A new name may be the old one of another function."""
    model = SavedModel()
    graph = model.meta_graphs.add()
    for number in (5, 1, 3):
        function = graph.graph_def.library.function.add()
        function.signature.name = f"f_{number}"
        function.node_def.add().attr["f"].func.name = "f_5"
        concrete = graph.object_graph_def.concrete_functions[f"f_{number}"]
        concrete.bound_inputs.append(number)
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    renumber_functions(str(tmp_path))
    (found,) = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs
    functions = found.graph_def.library.function
    assert [f.signature.name for f in functions] == ["f_0", "f_1", "f_2"]
    assert {f.node_def[0].attr["f"].func.name for f in functions} == {"f_2"}
    bound = found.object_graph_def.concrete_functions
    assert {name: list(bound[name].bound_inputs) for name in bound} == {
        "f_0": [1],
        "f_1": [3],
        "f_2": [5],
    }
