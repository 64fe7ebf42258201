"""Evaluation of a model in a bucket, on records in a bucket, to a report in a bucket."""

import json

import numpy as np
import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.transfer import upload
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.stage import evaluate
from tests.datasets import write_dataset
from tests.evaluate.conftest import write_model


@pytest.mark.parametrize("store", ["one_gcs", "s3"])
def test_everything_may_be_in_a_bucket(store, request, tmp_path):
    folder = request.getfixturevalue(store)
    images = np.zeros((6, 4, 4), np.uint8)
    labels = np.arange(6) % 3
    images[np.arange(6), 0, labels] = 9
    records = write_dataset(tmp_path / "records", images, labels, 3, split="test")
    model = write_model(str(tmp_path / "model"))
    for name, local in (("records", records), ("model", model)):
        upload(local, f"{folder}/{name}", storage.list_files(local))
    result = evaluate(
        f"{folder}/records",
        f"{folder}/model",
        f"{folder}/metrics.json",
        f"{folder}/report.html",
        EvaluateConfig(),
        DeviceConfig(accelerator="cpu"),
    )
    assert result.accuracy == 1.0
    assert json.loads(storage.read(f"{folder}/metrics.json"))["accuracy"] == 1.0
    assert storage.read(f"{folder}/report.html").startswith(b"<!")
