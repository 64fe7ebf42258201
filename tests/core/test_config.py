import dataclasses
import math

import pytest

from idxpipe.components.core.config import Config, describe, fields, parameter
from idxpipe.components.core.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Example(Config):
    steps: int = parameter(10, "steps to go", unit="steps", minimum=1, maximum=100)
    rate: float = parameter(0.5, "how fast", minimum=0.0)
    device: str = parameter("cpu", "where", choices=("cpu", "gpu"))


def test_defaults_are_class_attributes():
    assert (Example.steps, Example.rate, Example.device) == (10, 0.5, "cpu")


def test_an_integer_is_taken_for_a_float():
    assert Example(rate=1).rate == 1.0
    assert isinstance(Example(rate=1).rate, float)


@pytest.mark.parametrize(
    ("values", "expected", "found"),
    [
        ({"steps": 0}, "at least 1", 0),
        ({"steps": 101}, "at most 100", 101),
        ({"steps": 1.5}, "int", "float 1.5"),
        ({"steps": True}, "int", "bool True"),
        ({"rate": math.nan}, "at least 0.0", None),
        ({"device": "tpu"}, "one of cpu, gpu", "'tpu'"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(values, expected, found):
    with pytest.raises(UsageError) as caught:
        Example(**values)
    assert caught.value.where == next(iter(values))
    assert caught.value.expected == expected
    if found is not None:
        assert caught.value.found == found


def test_of_takes_only_its_own():
    assert Example.of({"steps": 3, "other": 1}) == Example(steps=3)


def test_description_names_unit_bounds_and_choices():
    steps, rate, device = map(describe, fields(Example))
    assert steps == "steps to go (steps; 1 to 100)"
    assert rate == "how fast (at least 0.0)"
    assert device == "where (one of cpu, gpu)"
