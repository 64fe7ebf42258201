import dataclasses
import json

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, GateError, SetupError, UsageError
from idxpipe.components.core.google.rest import Client
from idxpipe.components.core.integrity.digest import digest_files
from idxpipe.components.core.model import read_card
from idxpipe.components.core.transfer import upload
from idxpipe.components.register import stage
from idxpipe.components.register.config import RegisterConfig
from idxpipe.components.register.stage import register
from tests.datasets import write_card
from tests.register.registry import Registry
from tests.resealed import edit

CONFIG = RegisterConfig(register_as="digits", project="p", region="us-central1")
MODEL = "gs://bucket/model"


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture(autouse=True)
def stored(one_gcs, tmp_path):
    """The card of a model of an earlier version, which lists no digests."""
    storage.delete(MODEL)
    storage.put(f"{write_card(tmp_path)}/model.json", f"{MODEL}/model.json")


@pytest.fixture
def client(registry, monkeypatch):
    monkeypatch.setattr(stage, "_POLL_SECONDS", 0.01)
    with registry:
        yield Client(registry.url, "Vertex AI")


def metrics(tmp_path, accuracy, test="10-aaaaaaaa"):
    body = {
        "schema_version": 2,
        "accuracy": accuracy,
        "num_examples": 100,
        "dataset": {
            "num_examples": 100,
            "sources": {"images": test, "labels": "20-bbbbbbbb"},
        },
        "model": {"sources": {"images": "30-cccccccc", "labels": "40-dddddddd"}},
    }
    path = tmp_path / f"metrics-{accuracy}-{test}.json"
    path.write_text(json.dumps(body))
    return str(path)


def test_the_first_version(registry, client, tmp_path):
    result = register(MODEL, metrics(tmp_path, 0.98), "Run_1", CONFIG, client)
    assert (result.version, result.champion) == ("1", None)
    (version,) = registry.models[result.model]
    assert version["artifactUri"] == MODEL
    assert version["containerSpec"] == {"imageUri": CONFIG.serving_image}
    assert version["labels"] == {
        "accuracy_ppm": "980000",
        "test_fingerprint": "10-aaaaaaaa_20-bbbbbbbb",
        "train_fingerprint": "30-cccccccc_40-dddddddd",
        "pipeline_run": "run_1",
    }


def test_a_better_model_becomes_a_new_version_of_the_same(registry, client, tmp_path):
    first = register(MODEL, metrics(tmp_path, 0.98), "a", CONFIG, client)
    second = register(MODEL, metrics(tmp_path, 0.99), "b", CONFIG, client)
    assert (second.model, second.version, second.champion) == (first.model, "2", 0.98)


def test_a_worse_model_is_refused_with_both_numbers(registry, client, tmp_path):
    register(MODEL, metrics(tmp_path, 0.97), "a", CONFIG, client)
    register(MODEL, metrics(tmp_path, 0.99), "b", CONFIG, client)
    with pytest.raises(GateError) as caught:
        register(MODEL, metrics(tmp_path, 0.98), "c", CONFIG, client)
    assert "0.990000" in caught.value.expected
    assert caught.value.found == "0.980000"
    assert sum(map(len, registry.models.values())) == 2


def test_a_model_is_not_worse_than_itself(client, tmp_path):
    # Of 18,800 examples, as in EMNIST's balanced test split: rounds up to 0.857659.
    file = metrics(tmp_path, 16124 / 18800)
    register(MODEL, file, "a", CONFIG, client)
    assert register(MODEL, file, "b", CONFIG, client).version == "2"


def test_a_worse_model_is_taken_when_told_to(registry, client, tmp_path):
    register(MODEL, metrics(tmp_path, 0.99), "a", CONFIG, client)
    always = dataclasses.replace(CONFIG, register_when="always")
    assert register(MODEL, metrics(tmp_path, 0.5), "b", always, client).version == "2"


def test_versions_tested_on_other_files_do_not_count(client, tmp_path):
    register(MODEL, metrics(tmp_path, 0.99), "a", CONFIG, client)
    result = register(MODEL, metrics(tmp_path, 0.9, "11-aaaaaaaa"), "b", CONFIG, client)
    assert (result.version, result.champion) == ("2", None)


def test_another_name_is_another_model(client, tmp_path):
    first = register(MODEL, metrics(tmp_path, 0.9), "a", CONFIG, client)
    other = dataclasses.replace(CONFIG, register_as="letters")
    second = register(MODEL, metrics(tmp_path, 0.8), "b", other, client)
    assert first.model != second.model


def test_what_vertex_refuses_is_said(registry, client, tmp_path):
    registry.fail = "image cannot be pulled"
    with pytest.raises(SetupError, match="did not take the model") as caught:
        register(MODEL, metrics(tmp_path, 0.9), "a", CONFIG, client)
    assert caught.value.found == "image cannot be pulled"


@pytest.mark.parametrize("name", ["register_as", "project", "region"])
def test_a_missing_parameter_is_named(client, tmp_path, name):
    config = dataclasses.replace(CONFIG, **{name: ""})
    with pytest.raises(UsageError) as caught:
        register(MODEL, metrics(tmp_path, 0.9), "a", config, client)
    assert caught.value.where == name


def test_a_local_model_cannot_be_registered(client, tmp_path):
    with pytest.raises(UsageError, match="Cloud Storage only"):
        register(str(tmp_path), metrics(tmp_path, 0.9), "a", CONFIG, client)


def test_a_model_that_was_evaluated_in_part_does_not_compete(client, tmp_path):
    path = metrics(tmp_path, 0.99)
    body = json.loads((tmp_path / path).read_text())
    (tmp_path / path).write_text(json.dumps(body | {"num_examples": 10}))
    with pytest.raises(UsageError, match="a part of the split only"):
        register(MODEL, path, "a", CONFIG, client)


def put_model(folder, content):
    """Store a model of this version, as it is in `folder`, and return its digest."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(content)
    (folder / "variables" / "variables.index").write_bytes(b"index")
    write_card(folder)
    files = {name: one.to_json() for name, one in digest_files(str(folder)).items()}
    edit(folder / "model.json", lambda card: card.update(schema_version=2, digests=files))
    upload(str(folder), MODEL, storage.list_files(str(folder)))
    return read_card(MODEL).digest


def test_a_model_whose_files_are_as_listed_is_registered(client, tmp_path):
    file = metrics(tmp_path, 0.9)
    digest = put_model(tmp_path / "model", b"graph")
    edit(file, lambda facts: facts["model"].update(digest=digest))
    assert register(MODEL, file, "a", CONFIG, client).version == "1"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_trust_4_a_damaged_model_is_not_registered(registry, client, tmp_path, name):
    put_model(tmp_path / "model", b"graph")
    storage.write(f"{MODEL}/{name}", b"grapf")
    with pytest.raises(DataError, match="not what its card lists") as caught:
        register(MODEL, metrics(tmp_path, 0.9), "a", CONFIG, client)
    assert caught.value.where == f"{MODEL}/{name}"
    storage.delete(f"{MODEL}/{name}")
    with pytest.raises(DataError, match="not what its card lists") as caught:
        register(MODEL, metrics(tmp_path, 0.9), "a", CONFIG, client)
    assert caught.value.found == "no such file"
    assert not registry.models


def test_another_model_than_the_evaluated_is_not_registered(registry, client, tmp_path):
    file = metrics(tmp_path, 0.9)
    edit(file, lambda facts: facts["model"].update(digest="of another"))
    digest = put_model(tmp_path / "model", b"graph")
    with pytest.raises(DataError, match="not the one that was evaluated") as caught:
        register(MODEL, file, "a", CONFIG, client)
    assert (caught.value.expected, caught.value.found) == (
        "digest of another, as in the metrics",
        f"digest {digest}",
    )
    assert not registry.models


@pytest.mark.parametrize("text", ["{", "[]", '{"accuracy": 1}', '{"accuracy": "x"}'])
def test_metrics_of_something_else_are_refused(client, tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DataError, match="not the metrics of an evaluation"):
        register(MODEL, str(tmp_path / "m.json"), "a", CONFIG, client)
