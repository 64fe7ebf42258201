import inspect
import types

import pytest

from idxpipe.components.core.config import fields
from idxpipe.components.register.component import register
from idxpipe.components.register.config import RegisterConfig


def test_the_component_takes_what_the_stage_is_configured_by():
    signature = inspect.signature(register.python_func).parameters
    for field in fields(RegisterConfig):
        assert signature[field.name].annotation is type(field.default)
        assert signature[field.name].default is inspect.Parameter.empty


def test_it_ends_with_the_exit_code_of_the_error(capsys):
    artifact = types.SimpleNamespace(uri="gs://b/x", metadata={})
    values = RegisterConfig().to_json()
    with pytest.raises(SystemExit) as caught:
        register.python_func(
            model=artifact, metrics=artifact, run="r", registered=artifact, **values
        )
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: register_as: parameter is missing")
