import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import spots, write_dataset
from tests.train.conftest import Run


def test_validation_set_of_the_dataset_makes_a_curve_and_changes_no_weight(tmp_path, finished):
    records = write_dataset(tmp_path / "d", *spots(50), 4)
    # The last batch of 8 is padded.
    images, labels = spots(21, seed=1)
    write_dataset(tmp_path / "d" / "validation", images, labels, 4, split="validation")
    run = Run(records, str(tmp_path / "run"))
    run.train(validation_steps=8)
    assert run.weights() == finished[0].weights()
    points = json.loads(Path(f"{run.logs}/history.json").read_text())["points"]
    assert [p["step"] for p in points if "validation_loss" in p] == [10, 20]
    serve = tf.saved_model.load(run.model).signatures["serving_default"]
    probabilities = serve(images=tf.constant(images))["probabilities"].numpy()
    loss = -np.log(probabilities[np.arange(21), labels]).mean()
    assert points[-1]["validation_loss"] == pytest.approx(loss, rel=1e-4)
    assert points[-1]["validation_accuracy"] == (probabilities.argmax(axis=1) == labels).mean()
