import hashlib
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.integrity.digest import digest_files
from idxpipe.components.core.model import read_card
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.stage import evaluate
from tests.datasets import write_dataset
from tests.evaluate.conftest import write_model
from tests.resealed import edit

SCHEMA = json.loads(Path("docs/metrics.schema.json").read_text())


def metrics_of(records, model, folder, **config):
    file = f"{folder}/metrics.json"
    device = DeviceConfig(accelerator="cpu")
    evaluate(records, model, file, f"{folder}/report.html", EvaluateConfig(**config), device)
    return json.loads(Path(file).read_text())


def test_the_schema_is_one_and_leaves_nothing_open():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])


def test_an_evaluation_keeps_to_the_schema(records, model, tmp_path):
    first = metrics_of(records, model, tmp_path / "a")
    jsonschema.validate(first, SCHEMA)
    second = metrics_of(records, model, tmp_path / "b", baseline=f"{tmp_path}/a")
    jsonschema.validate(second, SCHEMA)
    assert second["baseline"] == {
        "accuracy": 0.6,
        "lost": 0,
        "won": 0,
        "p_value": 1.0,
        "alpha": 0.05,
    }


def test_it_names_the_digests_of_what_was_used(records, tmp_path):
    folder = write_model(str(tmp_path / "model"))
    assert metrics_of(records, folder, tmp_path)["model"]["digest"] == ""
    files = {name: one.to_json() for name, one in digest_files(folder).items()}
    edit(f"{folder}/model.json", lambda card: card.update(schema_version=2, digests=files))
    found = metrics_of(records, folder, tmp_path)
    assert found["model"]["digest"] == read_card(folder).digest
    manifest = Path(records, "dataset.json").read_bytes()
    assert found["dataset"]["digest"] == hashlib.sha256(manifest).hexdigest()


@pytest.mark.parametrize(("classes", "label"), [(2, 1), (62, 61)])
def test_absent_classes_keep_to_it_too(tmp_path, classes, label):
    images = np.zeros((3, 8, 8), np.uint8)
    images[:2, label // 8, label % 8] = 9
    records = write_dataset(tmp_path / "d", images, np.full(3, label), classes)
    model = write_model(str(tmp_path / "model"), shape=(8, 8), num_classes=classes)
    found = metrics_of(records, model, tmp_path)
    jsonschema.validate(found, SCHEMA)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro"]["recall"] == pytest.approx(1 / 3)
    assert found["slices"][0]["accuracy"] is None
    assert found["slices"][label]["accuracy"] == pytest.approx(2 / 3)
    assert found["top_k"]["k"] == min(5, classes)
