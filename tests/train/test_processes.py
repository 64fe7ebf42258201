"""What only a process of its own can show."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.train.network.networks import cnn
from idxpipe.components.train.state.checkpoints import list_checkpoints
from tests.datasets import spots
from tests.train.conftest import Run

pytestmark = pytest.mark.slow


def python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def words(stderr):
    """Return what was said, but not how far it is, which is told every ten seconds."""
    said = [line.split(" ", 1)[1] for line in stderr.splitlines()]
    return [line for line in said if not re.match(r"train: \d+/\d+ steps", line)]


KILLED = """
import os, signal, sys
from idxpipe.components.train.stage import train
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.core.device import DeviceConfig
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
from tests.train.conftest import Run
from idxpipe.components.train.state.history import History

def add(self, step, **values):
    if step == 15:
        os.kill(os.getpid(), signal.SIGKILL)

History.add = add
Run(*sys.argv[1:]).train()
"""


def test_killed_training_ends_with_the_same_weights(finished, new_run):
    child = python(KILLED, new_run.records, new_run.folder)
    assert child.returncode == -9
    # Not a word of TensorFlow's.
    said = words(child.stderr)
    assert said[0::2] == ["train: loading TensorFlow", "train: compiling the step"]
    assert said[1].startswith("on 1 replica(s), 50 examples")
    assert len(said) == 3
    assert list(list_checkpoints(new_run.checkpoints)) == [10]
    assert new_run.train().resumed_from == 10
    assert new_run.weights() == finished[0].weights()


BFLOAT16 = """
import sys
from idxpipe.components.train.stage import train
from tests.train.conftest import Run
Run(*sys.argv[1:]).train(model="tiny", precision="bfloat16", train_steps=5)
"""


def test_bfloat16_is_quiet_on_any_cpu(new_run):
    child = python(BFLOAT16, new_run.records, new_run.folder)
    assert child.returncode == 0
    _, first, *others = words(child.stderr)
    assert "in bfloat16 (as asked for)" in first
    assert others == ["train: compiling the step"]


REPLICAS = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 8)
from idxpipe.components.core.errors import exit_on_error
from tests.train.conftest import Run
records, folder = sys.argv[1:]
with exit_on_error():
    Run(records, folder + "/equal").train(dropout=0.0, train_steps=50, precision="float32")
    whole, parts = Run(records, folder + "/whole"), Run(records, folder + "/parts")
    whole.train()
    parts.train(train_steps=10)
    assert parts.train().resumed_from == 10
    assert parts.weights() == whole.weights()
    parts.train(batch_size=12)
"""


def test_eight_replicas_train_as_one_does_and_resume_to_the_bit(new_run, tmp_path):
    child = python(REPLICAS, new_run.records, new_run.folder)
    assert "training on 8 replica(s)" in child.stderr
    assert child.returncode == 2, child.stderr
    assert "a multiple of 8 replicas" in child.stderr
    assert "found:    12" in child.stderr

    one, eight = Run(new_run.records, str(tmp_path / "one")), f"{new_run.folder}/equal"
    one.train(dropout=0.0, train_steps=50, precision="float32")
    runs = one, Run(new_run.records, eight)
    losses = [
        [p["loss"] for p in json.loads(Path(f"{run.logs}/history.json").read_text())["points"]]
        for run in runs
    ]
    assert len(losses[0]) == 10
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert_alike(*runs)


def assert_alike(one, other):
    for expected, found in zip(*map(variables, (one, other)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


def variables(run):
    served = tf.saved_model.load(run.model)
    return [tf.constant(v) for v in (*served.weights, *served.statistics)]


SYNCHRONISED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.train.conftest import Run
from tests.train.test_processes import RESNET
Run(*sys.argv[1:]).train(**RESNET)
"""
RESNET = {
    "model": "resnet",
    "precision": "float32",
    # Normalization makes differences in the last digit grow from step to step.
    "train_steps": 2,
    "augment_rotate": 20.0,
    "augment_shift": 0.1,
    "dropout": 0.0,
}


def test_statistics_and_augmentation_are_those_of_one_replica(new_run, tmp_path):
    child = python(SYNCHRONISED, new_run.records, new_run.folder)
    assert child.returncode == 0, child.stderr
    one = Run(new_run.records, str(tmp_path / "one"))
    one.train(**RESNET)
    assert_alike(one, new_run)


SERVED = """
import sys
sys.modules["keras"] = None  # What import makes of a package that is not installed.
import numpy as np, tensorflow as tf
images = np.load(sys.argv[2])
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](tf.constant(images))
np.savez(sys.argv[3], **{name: value.numpy() for name, value in outputs.items()})
"""


def test_model_is_served_without_keras(finished, tmp_path):
    run, _ = finished
    images, _ = spots(12, seed=5)
    np.save(tmp_path / "images.npy", images)
    child = python(SERVED, run.model, str(tmp_path / "images.npy"), str(tmp_path / "out.npz"))
    assert child.returncode == 0, child.stderr
    outputs = np.load(tmp_path / "out.npz")
    network = cnn((8, 8), 4, dropout=0.4, seed=0)
    for weight, served in zip(
        network.trainable_variables, tf.saved_model.load(run.model).weights, strict=True
    ):
        weight.assign(served)
    logits = network(images.astype(np.float32) / 255).numpy()
    assert set(outputs) == {"classes", "probabilities", "logits"}
    np.testing.assert_allclose(outputs["logits"], logits, atol=1e-4)
    np.testing.assert_array_equal(outputs["classes"], outputs["logits"].argmax(axis=1))
    assert outputs["classes"].dtype == np.int64
