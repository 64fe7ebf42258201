import json

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.local import executor_input
from idxpipe.pipeline.local import executor_output as outputs
from idxpipe.pipeline.spec.artifact import Values
from idxpipe.pipeline.spec.parse import parse
from tests.pipeline import toy


@pytest.fixture
def task():
    described = toy.task(":", values={"n": "NUMBER_INTEGER"}, files={"data": "Dataset"})
    return parse(toy.text(toy.document({"one": described}))).tasks["one"]


@pytest.fixture
def message(task, tmp_path):
    return executor_input.build(task, Values(), str(tmp_path / "made"), str(tmp_path))


def report(tmp_path, **fields):
    (tmp_path / "executor_output.json").write_text(json.dumps(fields))


def test_what_is_reported_comes_before_what_was_expected(task, message, tmp_path):
    entry = {"name": "other", "uri": "/elsewhere", "metadata": {"a": 1}}
    report(tmp_path, parameterValues={"n": 3.0}, artifacts={"data": {"artifacts": [entry]}})
    found = outputs.collect(task, message)
    assert found.parameters == {"n": 3}
    assert found.artifacts["data"].to_json() == {
        **entry,
        "type": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
    }


def test_what_is_not_reported_is_where_it_was_expected(task, message, tmp_path):
    (tmp_path / "n").write_text("4")
    found = outputs.collect(task, message)
    assert found.parameters == {"n": 4}
    assert found.artifacts["data"].uri == str(tmp_path / "made" / "data")


@pytest.mark.parametrize("artifacts", [[1], {"data": []}, {"data": {"artifacts": ["x"]}}])
def test_damaged_artifacts(task, message, tmp_path, artifacts):
    report(tmp_path, parameterValues={"n": 3}, artifacts=artifacts)
    with pytest.raises(DataError, match="damaged"):
        outputs.collect(task, message)


def test_left_behind(task, message, tmp_path):
    assert outputs.left_behind(task, message).artifacts == {}
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "data.json").write_text("{}")
    found = outputs.left_behind(task, message).artifacts["data"]
    assert found.uri == str(tmp_path / "made" / "data.json")


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_what_go_s_parse_bool_takes_is_true(tmp_path, text):
    """launcher_v2.go of kubeflow/pipelines reads a BOOLEAN by strconv.ParseBool."""
    assert reported_flag(tmp_path, text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_what_go_s_parse_bool_takes_is_false(tmp_path, text):
    assert reported_flag(tmp_path, text) is False


def reported_flag(tmp_path, text):
    described = toy.task(":", values={"b": "BOOLEAN"})
    task = parse(toy.text(toy.document({"one": described}))).tasks["one"]
    message = executor_input.build(task, Values(), str(tmp_path / "made"), str(tmp_path))
    (tmp_path / "b").write_text(text)
    return outputs.collect(task, message).parameters["b"]
