"""What must not change between the runs that share a folder of checkpoints."""

import json
import os
from pathlib import Path

import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError
from tests.datasets import spots, write_dataset
from tests.train.conftest import OWN, Run


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 4), ("seed", 1), ("dropout", 0.5), ("learning_rate", 0.2)]
)
def test_checkpoints_of_another_recipe_are_refused(finished, name, value):
    run, _ = finished
    with pytest.raises(DataError, match=f"a different {name}"):
        run.train(**{name: value})


def test_checkpoints_of_an_own_model_that_was_edited_are_refused(new_run, own_model):
    new_run.train(model=own_model, train_steps=5)
    Path("own_for_stage.py").write_text(OWN.replace("16", "17"))
    with pytest.raises(DataError, match="a different model_source"):
        new_run.train(model=own_model)


def test_a_schedule_that_ends_with_the_training_cannot_be_prolonged(new_run):
    new_run.train(schedule="cosine", train_steps=5)
    with pytest.raises(DataError, match="a different train_steps"):
        new_run.train(schedule="cosine", train_steps=10)


def test_auto_keeps_the_precision_of_the_checkpoints(new_run, monkeypatch, capsys):
    monkeypatch.setattr(
        "idxpipe.components.train.network.precision._cpu_flags", lambda: {"amx_bf16"}
    )
    new_run.train(train_steps=5, model="tiny")
    assert "in bfloat16 (native to this CPU: amx_bf16)" in capsys.readouterr().err
    monkeypatch.undo()
    new_run.train(train_steps=6, model="tiny")
    assert "in bfloat16 (as its checkpoints)" in capsys.readouterr().err
    card = json.loads(Path(f"{new_run.model}/model.json").read_text())
    assert card["config"]["precision"] == "bfloat16"
    with pytest.raises(DataError, match="a different precision"):
        new_run.train(model="tiny", precision="float32")
    # Whoever serves it need not have bfloat16.
    servable = tf.saved_model.load(new_run.model)
    graph = servable.signatures["serving_default"].graph.as_graph_def()
    assert "DT_BFLOAT16" not in str(graph)


def test_checkpoints_of_another_dataset_are_refused(finished, tmp_path):
    run, _ = finished
    other = write_dataset(tmp_path, *spots(50), 4, sources={"images": "10-cc", "labels": "2-bb"})
    with pytest.raises(DataError, match="a different sources"):
        Run(other, run.folder).train()


def test_checkpoints_without_their_recipe_are_refused(new_run):
    new_run.train(train_steps=5)
    os.remove(f"{new_run.checkpoints}/recipe.json")
    with pytest.raises(DataError, match="without the recipe"):
        new_run.train()
