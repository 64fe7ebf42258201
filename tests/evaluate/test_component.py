import dataclasses
import inspect
import json

from kfp import dsl

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.evaluate.component import evaluate
from idxpipe.components.evaluate.config import EvaluateConfig
from tests.evaluate.conftest import write_model


def test_parameters_are_the_configurations_fields():
    signature = inspect.signature(evaluate.python_func)
    given = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.annotation in (bool, int, float, str)
    }
    declared = {
        field.name: type(field.default)
        for config in (EvaluateConfig, DeviceConfig)
        for field in dataclasses.fields(config)
    }
    assert given == declared
    assert all(p.default is p.empty for p in signature.parameters.values())


def call(records, model, folder, **config):
    outputs = {
        "metrics": dsl.Metrics(uri=f"{folder}/metrics", metadata={}),
        "confusion_matrix": dsl.ClassificationMetrics(uri=f"{folder}/confusion", metadata={}),
        "report": dsl.HTML(uri=f"{folder}/report", metadata={}),
    }
    evaluate.python_func(
        dataset=dsl.Dataset(uri=records),
        model=dsl.Model(uri=model),
        **EvaluateConfig(**config).to_json(),
        **DeviceConfig(accelerator="cpu").to_json(),
        **outputs,
    )
    return outputs


def test_runs_as_a_function(records, model, tmp_path):
    outputs = call(records, model, tmp_path)
    assert outputs["metrics"].metadata["accuracy"] == 0.6
    assert outputs["metrics"].metadata["num_examples"] == 10
    assert outputs["metrics"].metadata["top_3"] == 1.0
    assert set(outputs["metrics"].metadata) >= {"loss", "macro_f1", "ece"}
    matrix = outputs["confusion_matrix"].metadata["confusionMatrix"]
    assert [row["row"] for row in matrix["rows"]] == [[4, 1, 0], [1, 2, 0], [1, 1, 0]]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == ["0", "1", "2"]
    assert outputs["metrics"].uri == f"{tmp_path}/metrics.json"
    assert json.loads((tmp_path / "metrics.json").read_text())["accuracy"] == 0.6
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_classes_have_the_names_that_the_model_knows(records, tmp_path):
    model = write_model(f"{tmp_path}/model", card={"class_names": ("a", "b", "c")})
    matrix = call(records, model, tmp_path)["confusion_matrix"].metadata["confusionMatrix"]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == ["a", "b", "c"]
    assert json.loads((tmp_path / "metrics.json").read_text())["class_names"] == ["a", "b", "c"]


def test_a_matrix_beyond_the_metadata_s_limit_is_left_to_the_files(
    records, model, tmp_path, monkeypatch
):
    from idxpipe.components.evaluate import stage

    real = stage.evaluate

    def many(*arguments):
        return dataclasses.replace(real(*arguments), confusion=((0,) * classes,) * classes)

    monkeypatch.setattr(stage, "evaluate", many)
    classes = 101
    outputs = call(records, model, tmp_path)
    assert not outputs["confusion_matrix"].metadata
    assert outputs["metrics"].metadata["accuracy"] == 0.6
    classes = 100
    metadata = call(records, model, tmp_path)["confusion_matrix"].metadata
    # Vertex AI's limit for the metadata of an artifact.
    assert 0 < len(json.dumps(metadata)) < 200_000
