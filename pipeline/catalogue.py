"""Every parameter of the pipeline, as the stages declare them."""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core.config import Config, describe, fields
from idxpipe.components.core.device import DeviceConfig
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


def shown(name: str, value: Any, limit: int = 40) -> str:
    """Return the value of a parameter for a person, in at most `limit` characters."""
    field = PARAMETERS.get(name)
    if field and field.metadata["presets"] and value == field.default:
        return "the recipe's"
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
