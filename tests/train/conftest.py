"""One tiny dataset and one finished training for the tests of this folder."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.tf_host import quiet_import
from idxpipe.components.train.config import TrainConfig
from tests.datasets import spots, write_dataset

with quiet_import():
    import tensorflow as tf

    tf.config.list_logical_devices()

CONFIG = TrainConfig(
    batch_size=8,
    train_steps=20,
    iterations=5,
    shuffle_buffer=30,
    checkpoint_steps=10,
    learning_rate=0.1,
)
CPU = DeviceConfig(accelerator="cpu")


@dataclasses.dataclass(frozen=True)
class Run:
    """The folders of one training."""

    records: str
    folder: str

    @property
    def model(self):
        return f"{self.folder}/model"

    @property
    def checkpoints(self):
        return f"{self.folder}/checkpoints"

    @property
    def logs(self):
        return f"{self.folder}/logs"

    def train(self, device=CPU, **changes):
        from idxpipe.components.train.stage import train

        config = dataclasses.replace(CONFIG, **changes)
        return train(self.records, self.model, self.checkpoints, self.logs, config, device)

    def weights(self):
        """The exported weights as one string of bytes."""
        servable = tf.saved_model.load(self.model)
        return b"".join(v.numpy().tobytes() for v in servable.weights)


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    images, labels = spots(50)
    return write_dataset(tmp_path_factory.mktemp("records"), images, labels, 4)


@pytest.fixture
def new_run(tmp_path, records):
    return Run(records, str(tmp_path / "run"))


@pytest.fixture
def again(finished, new_run):
    """A copy of the uninterrupted training, to be changed."""
    shutil.copytree(finished[0].folder, new_run.folder)
    return new_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, records):
    """An uninterrupted training and its result; not to be changed."""
    run = Run(records, str(tmp_path_factory.mktemp("finished")))
    return run, run.train()


OWN = """
import keras

def net(image_shape, num_classes, dropout, **_):
    return keras.Sequential([
        keras.layers.Flatten(),
        keras.layers.Dense(16),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(num_classes),
    ])
"""


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("own_for_stage.py").write_text(OWN)
    yield "own_for_stage:net"
    sys.modules.pop("own_for_stage", None)
