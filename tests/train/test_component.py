import dataclasses
import inspect
import json

from kfp import dsl

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.train.component import train
from idxpipe.components.train.config import TrainConfig
from tests.train.conftest import CONFIG, CPU


def test_parameters_are_the_configurations_fields():
    given = {
        # `model` is the output.
        "model" if name == "architecture" else name: parameter.annotation
        for name, parameter in inspect.signature(train.python_func).parameters.items()
        if parameter.annotation in (int, float, str, bool)
    }
    declared = {
        field.name: type(field.default)
        for config in (TrainConfig, DeviceConfig)
        for field in dataclasses.fields(config)
    }
    assert given == declared
    assert all(
        p.default is p.empty for p in inspect.signature(train.python_func).parameters.values()
    )


def test_runs_as_a_function(records, tmp_path):
    values = {**CONFIG.to_json(), "train_steps": 2}
    values["architecture"] = values.pop("model")
    model = dsl.Model(uri=str(tmp_path / "model"), metadata={})
    train.python_func(
        dataset=dsl.Dataset(uri=records),
        **values,
        **CPU.to_json(),
        model=model,
        checkpoints=dsl.Artifact(uri=str(tmp_path / "checkpoints")),
        logs=dsl.Artifact(uri=str(tmp_path / "logs")),
    )
    assert model.metadata["step"] == 2
    assert model.metadata["framework"] == "tensorflow"
    assert json.loads((tmp_path / "model" / "model.json").read_text())["step"] == 2
