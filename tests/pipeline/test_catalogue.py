import pytest

from idxpipe.components.core.config import fields
from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.catalogue import CONFIGS, PARAMETERS, check_values


def test_no_two_stages_share_a_name_for_different_things():
    assert len(PARAMETERS) == sum(len(fields(config)) for config in CONFIGS)


def test_every_parameter_has_help():
    assert all(len(field.metadata["help"]) > 10 for field in PARAMETERS.values())


def test_bounds_are_checked_across_the_stages():
    check_values({"batch_size": 1, "min_accuracy": 0.9, "data": "x"})
    with pytest.raises(UsageError, match="min_accuracy"):
        check_values({"batch_size": 1, "min_accuracy": 1.1})
