"""Every parameter of the pipeline, as the stages declare them."""

import dataclasses
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

CONFIGS: tuple[type[Config], ...] = (
    DataConfig,
    ValidateConfig,
    ConvertConfig,
    TrainConfig,
    DeviceConfig,
    EvaluateConfig,
    GateConfig,
)
PARAMETERS: dict[str, dataclasses.Field[Any]] = {
    field.name: field for config in CONFIGS for field in fields(config)
}


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


def documented(function: Callable[..., Any]) -> Callable[..., Any]:
    """Write the parameters' help into the docstring, where KFP takes descriptions from."""
    lines = [function.__doc__ or "", "", "Args:"]
    lines += [f"    {name}: {describe(field)}." for name, field in PARAMETERS.items()]
    function.__doc__ = "\n".join(lines)
    return function
