"""Every parameter of the pipeline, as the stages declare them."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core import storage
from idxpipe.components.core.config import Config, describe, fields
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.config import ValidateConfig

STAGES: dict[str, tuple[type[Config], ...]] = {
    "validate": (DataConfig, ValidateConfig),
    "convert": (ConvertConfig,),
    "train": (TrainConfig, DeviceConfig),
    "evaluate": (EvaluateConfig, DeviceConfig),
    "gate": (GateConfig,),
}
CONFIGS = tuple(dict.fromkeys(config for configs in STAGES.values() for config in configs))
PARAMETERS: dict[str, dataclasses.Field[Any]] = {
    field.name: field for config in CONFIGS for field in fields(config)
}
DATA_PARAMETERS = ("data", *ROLES)
DEFAULT_DATA = "data/mnist"
_URI = re.compile(r"[A-Za-z][\w+.-]*://[^\s,'\"]+")
# Of Beam's options those for S3 and Azure are meant, and not --dataflow_kms_key, which is a name.
_SECRET_OPTION = re.compile(
    r"--\w*(?:secret|password|passwd|token|credential|access_key|api_key|connection_string)\w*",
    re.IGNORECASE,
)
URI_PARAMETERS = (*DATA_PARAMETERS, "data_baseline", "baseline")


def stages_of(name: str) -> list[str]:
    """Return the stages that take the parameter `name`."""
    return [
        stage
        for stage, configs in STAGES.items()
        if any(field.name == name for config in configs for field in fields(config))
    ]


def affects_output(name: str) -> bool:
    """Tell whether what the stages write depends on the parameter `name`, if it is one of ours."""
    return name not in PARAMETERS or bool(PARAMETERS[name].metadata["affects_output"])


def shown(name: str, value: Any, limit: int = 40, recipe: object = None) -> str:
    """Return the value of a parameter for a person, in at most `limit` characters.

    Args:
        name: The parameter.
        value: Its value.
        limit: Longer ones are cut.
        recipe: Where it is known, what the recipe sets is told.
    """
    field = PARAMETERS.get(name)
    if field and field.metadata["presets"] and value == field.default:
        presets = field.metadata["presets"]
        return f"{presets[recipe]} ({recipe})" if recipe in presets else "the recipe's"
    text = "none" if value is None else value if isinstance(value, str) and value else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def is_ours(parameters: Collection[str]) -> bool:
    """Tell whether a pipeline with these parameters is one of ours, whose parameters we know."""
    return set(parameters) >= {"data", *ROLES}


def check_values(values: Mapping[str, Any]) -> None:
    """Check the bounds of pipeline parameters, as each stage will.

    Raises:
        UsageError: Naming the first that is out of bounds.
    """
    for config in CONFIGS:
        config.of(values)


def refuse_secrets(values: Mapping[str, Any]) -> None:
    """Refuse passwords and signatures in parameters: records, logs and services keep them.

    Args:
        values: Of any pipeline's parameters, and of what else is recorded, by name.

    Raises:
        UsageError: Naming the parameter, never the secret.
    """
    for name, value in values.items():
        for text in _texts(value):
            for uri in _URI.findall(text):
                storage.refuse_secrets(uri)
        found = sorted(set(_SECRET_OPTION.findall(str(value)))) if name == "beam_options" else []
        if found:
            raise UsageError(
                "parameter holds a password or key, which would be kept in records and logs",
                where=name,
                expected="options that anybody may see",
                found=", ".join(found),
                remedy="give it where its service looks for it: an environment variable, a "
                "credentials file, or the rights of the account that the runner has",
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def with_parameters(**defaults: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a pipeline function the signature and the docstring that KFP reads.

    Args:
        defaults: In place of what the stages declare.

    Returns:
        A decorator; its function takes one argument, the parameters' channels by name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def pipeline(*channels: Any) -> Any:
            return function(dict(zip(PARAMETERS, channels, strict=True)))

        pipeline.__name__ = function.__name__
        pipeline.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=defaults.get(name, field.default),
                    annotation=type(field.default),
                )
                for name, field in PARAMETERS.items()
            ]
        )
        lines = [function.__doc__ or "", "", "Args:"]
        lines += [f"    {name}: {describe(field)}." for name, field in PARAMETERS.items()]
        pipeline.__doc__ = "\n".join(lines)
        return pipeline

    return decorate


def select(values: Mapping[str, Any], *configs: type[Config]) -> dict[str, Any]:
    """Return those of `values` that `configs` declare."""
    return {field.name: values[field.name] for config in configs for field in fields(config)}
