"""Parameters of a stage, declared once: default, type, bounds, unit and help.

A stage's configuration is a frozen dataclass that derives from `Config`. The command line's flags,
the pipeline's parameters and their descriptions, and the README's table are all made from it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from idxpipe.components.core.errors import UsageError, meant


def parameter(
    default: Any,
    help: str,  # noqa: A002
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    unset: Any = None,
    presets: Mapping[str, Any] | None = None,
    seldom: bool = False,
    affects_output: bool = True,
) -> Any:
    """Declare one parameter of a `Config`.

    Args:
        default: Value where none is given; its type is the parameter's type.
        help: One sentence without a full stop.
        unit: What a number counts, for the reader.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        choices: The only values allowed; empty allows all.
        unset: A value that stands for none given; bounds and choices do not hold for it.
        presets: Values that stand in for `unset`, by the name of what they come from.
        seldom: Whether few people ever need it; its flag is listed after the others.
        affects_output: Whether what the stage writes depends on it.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "unset": unset,
        "presets": presets or {},
        "seldom": seldom,
        "affects_output": affects_output,
    }
    return dataclasses.field(default=default, metadata=metadata)


class Config:
    """Base of the stages' configurations: checks every value when it is made."""

    def __post_init__(self) -> None:
        """Check type and bounds of each field.

        Raises:
            UsageError: Naming the first parameter that is out of bounds, the bound and the value.
        """
        for field in fields(type(self)):
            value = _as_type(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            _check_bounds(field, value)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make a configuration from the entries of `values` that it has a field for."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})

    def to_json(self) -> dict[str, Any]:
        """Return the values by name."""
        return {f.name: getattr(self, f.name) for f in fields(type(self))}


def fields(config: type[Config]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the declared parameters of `config`, in order."""
    return dataclasses.fields(config)  # type: ignore[arg-type]


def flag(name: str) -> str:
    """Return the flag of a parameter: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


def describe(field: dataclasses.Field[Any]) -> str:
    """Return the help of one parameter with its presets, unit, choices and bounds, for a person."""
    meta = field.metadata
    text = str(meta["help"])
    if meta["presets"]:
        values = ", ".join(f"{value} in {name}" for name, value in meta["presets"].items())
        text += f"; {meta['unset']} is the recipe's: {values}"
    choices = ["one of " + ", ".join(meta["choices"])] if meta["choices"] else []
    notes = [*filter(None, [meta["unit"]]), *choices, *filter(None, [bounds(field)])]
    return f"{text} ({'; '.join(notes)})" if notes else text


def bounds(field: dataclasses.Field[Any]) -> str:
    """Return the bounds of one parameter in words; empty if it has none."""
    low, high = field.metadata["minimum"], field.metadata["maximum"]
    if low is None:
        return "" if high is None else f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _as_type(field: dataclasses.Field[Any], value: Any) -> Any:
    kind = type(field.default)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UsageError(
            "parameter has the wrong type",
            where=field.name,
            expected=kind.__name__,
            found=f"{type(value).__name__} {value!r}",
        )
    return value


def _check_bounds(field: dataclasses.Field[Any], value: Any) -> None:
    meta = field.metadata
    low, high, choices = meta["minimum"], meta["maximum"], meta["choices"]
    if value == meta["unset"]:
        return
    if choices and value not in choices:
        raise UsageError(
            "parameter is not one of its choices",
            where=field.name,
            expected="one of " + ", ".join(choices),
            found=repr(value),
            remedy=meant(str(value), choices),
        )
    # Written so that NaN, which compares false with everything, is refused.
    if low is not None and not value >= low:
        raise UsageError(
            "parameter is too small", where=field.name, expected=f"at least {low}", found=value
        )
    if high is not None and not value <= high:
        raise UsageError(
            "parameter is too large", where=field.name, expected=f"at most {high}", found=value
        )
