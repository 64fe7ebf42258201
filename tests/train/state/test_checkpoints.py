"""Which checkpoints are kept, and which are read."""

import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError
from idxpipe.components.train.state.checkpoints import list_checkpoints
from tests.datasets import spots, write_dataset
from tests.train.conftest import Run


def test_keeps_only_the_newest_checkpoints(new_run):
    new_run.train(iterations=2, checkpoint_steps=3, train_steps=9, keep_checkpoints=2)
    # Due at 3, 6 and 9, rounded up to loops' ends: 4, 6 and 9.
    assert sorted(list_checkpoints(new_run.checkpoints)) == [6, 9]


def damage(checkpoint):
    path = Path(f"{checkpoint}.data-00000-of-00001")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_damaged_newest_checkpoint_is_skipped(finished, again, capsys):
    damage(list_checkpoints(again.checkpoints)[20])
    # TensorFlow's own list of checkpoints is not needed either.
    Path(f"{again.checkpoints}/checkpoint").write_text("garbage")
    result = again.train()
    assert result.resumed_from == 10
    assert "warning: checkpoint of step 20 is skipped" in capsys.readouterr().err
    assert again.weights() == finished[0].weights()
    for path in list_checkpoints(again.checkpoints).values():
        damage(path)
    with pytest.raises(DataError, match="no checkpoint can be read"):
        again.train()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:100])


def zeros(path):
    # What a power cut can leave of a file that was renamed and not yet on the disk.
    path.write_bytes(bytes(path.stat().st_size))


@pytest.fixture(scope="module")
def of_10_and_12(records, tmp_path_factory):
    """A training with two checkpoints; not to be changed."""
    run = Run(records, str(tmp_path_factory.mktemp("twelve") / "run"))
    run.train(train_steps=10)
    run.train(train_steps=12)
    return run


@pytest.mark.parametrize("damage", [Path.unlink, cut_short, zeros, lambda p: p.write_bytes(b"")])
@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_checkpoint_that_is_half_there_is_skipped(of_10_and_12, new_run, capsys, suffix, damage):
    shutil.copytree(of_10_and_12.folder, new_run.folder)
    newest = list_checkpoints(new_run.checkpoints)[12]
    damage(Path(newest + suffix))
    # And so TensorFlow's saver leaves a killed process's.
    os.makedirs(f"{new_run.checkpoints}/ckpt-13_temp")
    # The damaged one must not count as the one that is kept.
    result = new_run.train(train_steps=11, keep_checkpoints=1)
    assert result.resumed_from == 10
    whole = suffix == ".index" and damage is Path.unlink
    assert ("warning: checkpoint of step 12 is skipped" in capsys.readouterr().err) is not whole
    assert list(list_checkpoints(new_run.checkpoints)) == [11]
    left = {name.partition(".")[0] for name in os.listdir(new_run.checkpoints)}
    assert left == {"ckpt-11", "checkpoint", "recipe"}
    assert tf.train.latest_checkpoint(new_run.checkpoints).endswith("ckpt-11")


def test_trust_2_checkpoint_of_another_model_is_refused(new_run, tmp_path, monkeypatch):
    new_run.train(train_steps=5)
    other = Run(write_dataset(tmp_path / "o", *spots(50, num_classes=3), 3), new_run.folder)
    for name in ("check_recipe", "check_folder"):
        monkeypatch.setattr(f"idxpipe.components.train.training.{name}", lambda *_, **__: None)
    with pytest.raises(DataError, match="a different model"):
        other.train()
