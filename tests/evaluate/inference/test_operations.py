"""Models that do more than compute, made as anybody makes them: by TensorFlow itself."""

import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError
from idxpipe.components.evaluate.inference.operations import check_operations
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.train.export.saved_model import Servable, save_servable
from idxpipe.components.train.network.model import build_model
from idxpipe.components.train.network.networks import NETWORKS

SPEC = tf.TensorSpec([None, 4], tf.float32, name="images")


def save(folder, function, **attributes):
    module = tf.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    module.serve = tf.function(function, input_signature=[SPEC], autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return str(folder)


def refused(folder):
    with pytest.raises(DataError, match="more than compute") as caught:
        check_operations(folder, "where")
    assert "--trust-model true" in caught.value.remedy
    return caught.value.found


def test_trust_12_one_that_reads_a_file_and_one_that_writes(tmp_path):
    secret, written = tmp_path / "secret", tmp_path / "written"
    secret.write_text("12345678")

    def reads(images):
        found = tf.io.decode_raw(tf.io.read_file(str(secret)), tf.uint8)
        return {"logits": images + tf.cast(found[:4], tf.float32)}

    def writes(images):
        with tf.control_dependencies([tf.io.write_file(str(written), "owned")]):
            return {"logits": tf.identity(images)}

    assert "ReadFile" in refused(save(tmp_path / "reads", reads))
    folder = save(tmp_path / "writes", writes)
    assert "WriteFile" in refused(folder)
    assert not written.exists()
    # What is refused would have happened.
    tf.saved_model.load(folder).signatures["serving_default"](images=tf.zeros([1, 4]))
    assert written.read_text() == "owned"


def deep(images):
    return tf.while_loop(
        lambda i, x: i < 2,
        lambda i, x: (i + 1, tf.cond(i > 0, lambda: quiet(x), lambda: x)),
        [0, images],
    )[1]


def quiet(x):
    tf.print("said", output_stream="file:///tmp/nowhere")
    return x


EVIL = {
    "PrintV2": lambda x: {"logits": deep(x)},
    "EagerPyFunc": lambda x: {"logits": tf.py_function(lambda y: y, [x], tf.float32)},
    "DebugIdentityV2": lambda x: {
        "logits": tf.raw_ops.DebugIdentityV2(
            input=x, op_name="x", debug_urls=["file:///tmp/nowhere"]
        )
    },
    "DebugIdentity": lambda x: {
        "logits": tf.raw_ops.DebugIdentity(
            input=x, tensor_name="x", debug_urls=["file:///tmp/nowhere"]
        )
    },
    "RestoreV2": lambda x: {
        "logits": x
        + tf.raw_ops.RestoreV2(
            prefix="/tmp/nowhere", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0]
    },
    "MatchingFiles": lambda x: {
        "logits": x + tf.cast(tf.size(tf.io.matching_files("/*")), tf.float32)
    },
    "TensorSliceDataset": lambda x: {
        "logits": tf.data.Dataset.from_tensor_slices([1.0]).reduce(0.0, lambda a, b: a + b) + x
    },
}


# Declared to have no state, and to take and give numbers.
EVIL |= {
    "PyFuncStateless": lambda x: {
        "logits": tf.raw_ops.PyFuncStateless(input=[x], token="t", Tout=[tf.float32])[0]
    },
    "ImmutableConst": lambda x: {
        "logits": x
        + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[4], memory_region_name="/tmp/nowhere")
    },
    "CopyHost": lambda x: {
        "logits": tf.raw_ops.CopyHost(
            input=x, tensor_name="x", debug_ops_spec=["DebugIdentity;file:///tmp/nowhere;0"]
        )
    },
}


def _aborted(x):
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="gone")]):
        return {"logits": tf.identity(x)}


def _saved(x):
    save = tf.raw_ops.SaveV2(
        prefix="/tmp/nowhere", tensor_names=["a"], shape_and_slices=[""], tensors=[x]
    )
    with tf.control_dependencies([save]):
        return {"logits": tf.identity(x)}


EVIL |= {"Abort": _aborted, "SaveV2": _saved}


@pytest.mark.parametrize("name", EVIL)
def test_trust_12_what_else_touches_files_or_runs_code(tmp_path, name):
    assert name in refused(save(tmp_path / "model", EVIL[name]))


def test_trust_12_what_would_run_while_it_is_loaded(tmp_path):
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(_lines(tmp_path)), tf.int64, 0, tf.int64, 0, delimiter=","
        ),
        -1,
    )
    folder = save(
        tmp_path / "model",
        lambda x: {"logits": x + tf.cast(table.lookup(tf.constant([1], tf.int64)), tf.float32)},
        table=table,
    )
    found = refused(folder)
    assert "an object of kind resource" in found
    assert "an object of kind asset" in found


def test_one_of_tensorflow_1_which_has_no_functions_to_look_at(tmp_path):
    written = tmp_path / "written"
    folder = str(tmp_path / "model")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 4], "images")
        with tf.control_dependencies([tf.io.write_file(str(written), "owned")]):
            logits = tf.identity(images)
        v1.saved_model.simple_save(session, folder, {"images": images}, {"logits": logits})
    assert "TensorFlow 1" in refused(folder)
    assert not written.exists()
    # What is refused would have happened.
    tf.saved_model.load(folder).signatures["serving_default"](images=tf.zeros([1, 4]))
    assert written.read_text() == "owned"


def _lines(folder):
    path = folder / "lines"
    path.write_text("1\n2\n")
    return path


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_our_own_exports_pass(tmp_path, name, precision):
    config = TrainConfig(model=name, precision=precision).resolved()
    network = build_model(config, (12, 12, 1), 3)
    servable = Servable(network, (12, 12, 1), "int16", (-1.0, 1.0))
    save_servable(servable, str(tmp_path))
    check_operations(str(tmp_path), "where")


def test_computing_passes(tmp_path):
    weights = tf.Variable(tf.ones([4, 4]))

    def serve(images):
        with tf.control_dependencies([tf.debugging.assert_greater(tf.size(images), 0, "empty")]):
            x = tf.matmul(images, weights)
        x = tf.linalg.expm(x) + tf.math.erf(x) + tf.signal.dct(x)
        x = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.0), [0, x])[1]
        return {"logits": tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: -x)}

    check_operations(save(tmp_path / "model", serve, weights=weights), "where")


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_no_model_is_said_to_be_none(tmp_path, damage):
    folder = tmp_path / "model"
    folder.mkdir()
    if damage == "cut":
        (folder / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    with pytest.raises(DataError, match="cannot be loaded"):
        check_operations(str(folder), "where")
