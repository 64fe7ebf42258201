import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.components.core.integrity.digest import check_files
from idxpipe.components.core.model import read_card
from idxpipe.components.train.export import formats
from idxpipe.components.train.state.checkpoints import list_checkpoints


def test_what_is_in_the_folder(finished):
    run, result = finished
    names = ["README.md", "assets", "model.json", "model.keras", "saved_model.pb", "variables"]
    assert sorted(os.listdir(run.model)) == names
    card = json.loads(Path(f"{run.model}/model.json").read_text())
    assert card["files"] == ["model.keras"]
    assert card["device"] == {"accelerator": "CPU", "replicas": 1}
    files = sorted(str(p.relative_to(run.model)) for p in Path(run.model).rglob("*") if p.is_file())
    assert sorted([*card["digests"], "model.json"]) == files
    check_files(run.model, run.model, read_card(run.model).digests)
    assert result.digest == card["digest"]
    assert f"`{card['digest']}`" in Path(run.model, "README.md").read_text()


def test_nothing_is_published_of_an_export_that_is_wrong(new_run, monkeypatch):
    new_run.train(train_steps=5)
    before = {name: Path(new_run.model, name).read_bytes() for name in ("model.json", "README.md")}
    real = formats.save_servable

    def spoiled(servable, path):
        servable.weights[0].assign(servable.weights[0] * float("nan"))
        real(servable, path)

    with monkeypatch.context() as patch:
        patch.setattr(formats, "save_servable", spoiled)
        with pytest.raises(IdxpipeError, match="nothing was published"):
            new_run.train(train_steps=10)
    assert {name: Path(new_run.model, name).read_bytes() for name in before} == before
    assert sorted(os.listdir(new_run.folder)) == ["checkpoints", "logs", "model"]
    assert new_run.train(train_steps=10).resumed_from == 10
    assert json.loads(Path(f"{new_run.model}/model.json").read_text())["step"] == 10


OWN = """
import keras, tensorflow as tf
class Inverse(keras.layers.Layer):
    def call(self, x):
        return x + tf.linalg.det(x)[:, None, None]
def network(image_shape, num_classes, dropout, seed):
    layers = [keras.Input(image_shape), Inverse(), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(num_classes)])
"""


def test_what_tflite_cannot_hold_is_refused_before_training(new_run, tmp_path, monkeypatch):
    (tmp_path / "model_with_det.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="cannot be converted to TFLite"):
        new_run.train(model="model_with_det:network", export_tflite=True, precision="float32")
    assert not list_checkpoints(new_run.checkpoints)
    assert not os.path.exists(new_run.model)


@pytest.mark.slow
def test_the_model_cards_examples_run_where_idxpipe_is_not_installed(new_run, tmp_path):
    # Trained in bfloat16, as on a TPU: what is exported computes in float32.
    new_run.train(train_steps=5, export_tflite=True, precision="bfloat16")
    card = (
        Path(f"{new_run.model}/README.md").read_text().replace("path/to/this/folder", new_run.model)
    )
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 3
    script = "import sys; sys.modules['components'] = None\n" + "\n".join(blocks)
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[[") >= 2
