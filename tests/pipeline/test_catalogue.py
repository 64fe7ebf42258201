import dataclasses
import inspect

import pytest

from idxpipe.components.convert.component import convert
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core.config import fields, parameter
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.components.evaluate.component import evaluate
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.gate.component import gate
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.register.component import register
from idxpipe.components.register.config import RegisterConfig
from idxpipe.components.train.component import train
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.component import validate
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.pipeline.catalogue import CONFIGS, PARAMETERS, check_values, refuse_secrets


def test_no_two_stages_share_a_name_for_different_things():
    assert len(PARAMETERS) == sum(len(fields(config)) for config in CONFIGS)


def test_every_parameter_has_help():
    assert all(len(field.metadata["help"]) > 10 for field in PARAMETERS.values())


def test_bounds_are_checked_across_the_stages():
    check_values({"batch_size": 1, "min_accuracy": 0.9, "data": "x"})
    with pytest.raises(UsageError, match="min_accuracy"):
        check_values({"batch_size": 1, "min_accuracy": 1.1})


# `model` is the name of an output there.
ELSEWHERE = {"model": "architecture"}


def differences(component, configs):
    """Return what is declared in one of the two places where a parameter stands, not in both."""
    declared = {
        ELSEWHERE.get(field.name, field.name) if component is train else field.name: type(
            field.default
        )
        for config in configs
        for field in fields(config)
    }
    taken = {
        name: parameter.annotation
        for name, parameter in inspect.signature(component.python_func).parameters.items()
        if parameter.annotation in {str, int, float, bool}
    }
    wanted = {name for name, kind in declared.items() if taken.get(name) is not kind}
    return [f"{name}: not in the signature of {component.name}" for name in sorted(wanted)]


@pytest.mark.parametrize(
    ("component", "configs"),
    [
        (validate, [DataConfig, ValidateConfig]),
        (convert, [ConvertConfig]),
        (train, [TrainConfig, DeviceConfig]),
        (evaluate, [EvaluateConfig, DeviceConfig]),
        (gate, [GateConfig]),
        (register, [RegisterConfig]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_component_takes_what_its_stage_declares(component, configs):
    assert differences(component, configs) == []


def test_a_parameter_that_its_component_does_not_take_is_found():
    @dataclasses.dataclass(frozen=True)
    class Longer(TrainConfig):
        """A stage's configuration with a parameter that was added there alone."""

        clip_norm: float = parameter(0.0, "largest norm of a gradient")

    (found,) = differences(train, [Longer, DeviceConfig])
    assert found == "clip_norm: not in the signature of train"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("beam_options", "--s3_secret_access_key=hunter2 --region=x", "--s3_secret_access_key"),
        ("beam_options", "--s3_session_token hunter2", "--s3_session_token"),
        ("beam_options", "--job_endpoint=grpc://me:hunter2@host:80", "URI holds"),
        ("tpu", "grpc://me:hunter2@10.0.0.2:8470", "URI holds"),
        ("data", "https://host/mnist?code=hunter2", "address may hold"),
        ("root", "gs://bucket/x?access_token=hunter2", "URI holds"),
        # Of a pipeline that is not ours.
        ("sources", {"one": ["https://me:hunter2@host/x"]}, "URI holds"),
    ],
)
def test_trust_14_a_secret_in_a_parameter_is_refused_and_not_shown(name, value, said):
    with pytest.raises(UsageError) as caught:
        refuse_secrets({"num_shards": 4, name: value})
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_of_beams_own_options_those_that_hold_a_secret_are_refused():
    from apache_beam.options.pipeline_options import PipelineOptions

    refused = set()
    for name in PipelineOptions().get_all_options():
        try:
            refuse_secrets({"beam_options": f"--{name}=x"})
        except UsageError:
            refused.add(name)
    # The id goes with its secret, and is one half of it.
    assert refused == {
        *("s3_access_key_id", "s3_secret_access_key", "s3_session_token"),
        "azure_connection_string",
    }
