"""Values of a pipeline's parameters: read from text, checked against their declared types."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from idxpipe.components.core.errors import UsageError, meant
from idxpipe.pipeline.spec.graph import Parameter

# Every number passes through a protobuf Value, which is a double.
MAX_INTEGER = 2**53

_EXPECTED = {
    "NUMBER_INTEGER": "a whole number within 2**53 of zero",
    "NUMBER_DOUBLE": "a finite number",
    "BOOLEAN": "true or false",
    "STRING": "text",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}


def resolve(
    declared: Mapping[str, Parameter],
    assignments: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the value of every declared parameter that has one.

    Args:
        declared: The pipeline's parameters.
        assignments: `NAME=VALUE`, as typed; of several with one name the last counts.
        values: Typed values, which come before the defaults and after the assignments.

    Returns:
        Values by name, in declared order: integers as int, and so on. An optional parameter
        without a value is left out.

    Raises:
        UsageError: One error that lists every unknown name, ill-typed and missing value.
    """
    problems: list[UsageError] = []
    given: dict[str, Any] = {}
    for name, value in (values or {}).items():
        _take(given, name, value, declared, problems, coerce)
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        name = name.strip()
        if not separator or not name:
            problems.append(
                UsageError("invalid value", where="--set", expected="NAME=VALUE", found=assignment)
            )
            continue
        _take(given, name, text, declared, problems, parse)
    for name, parameter in declared.items():
        if name in given:
            continue
        if parameter.required:
            problems.append(
                UsageError("required, and not given", where=name, remedy=f"--set {name}=VALUE")
            )
        elif parameter.default is not None:
            _take(given, name, parameter.default, declared, problems, coerce)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise UsageError(
            f"{len(problems)} parameters are invalid",
            where="--set",
            found="\n".join(map(str, problems)),
        )
    return {name: given[name] for name in declared if name in given}


def parse(kind: str, text: str) -> Any:
    """Return the value that `text` means for a parameter of type `kind`.

    Raises:
        ValueError: If it means none.
    """
    if kind == "STRING":
        return text
    if kind == "BOOLEAN":
        return coerce(kind, {"true": True, "false": False}.get(text.strip().lower()))
    if kind == "NUMBER_INTEGER":
        return coerce(kind, int(text) if re.fullmatch(r"\s*[+-]?\d{1,30}\s*", text) else None)
    if kind == "NUMBER_DOUBLE":
        return coerce(kind, float(text))
    try:
        return coerce(kind, json.loads(text))
    except RecursionError:
        raise ValueError from None


def coerce(kind: str, value: Any) -> Any:
    """Return `value` as a parameter of type `kind` holds it: 3.0 is the integer 3.

    Raises:
        ValueError: If it is not of that type.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    right = {
        "NUMBER_INTEGER": number and math.isfinite(value) and int(value) == value,
        "NUMBER_DOUBLE": number and abs(value) <= 1.8e308 and math.isfinite(value),
        "BOOLEAN": isinstance(value, bool),
        "STRING": isinstance(value, str),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }.get(kind, False)
    if not right or (kind == "NUMBER_INTEGER" and abs(value) > MAX_INTEGER):
        raise ValueError
    if kind == "NUMBER_INTEGER":
        return int(value)
    if kind == "NUMBER_DOUBLE":
        return float(value)
    if kind in {"LIST", "STRUCT"}:
        json.dumps(value, allow_nan=False)
    return whole(value)


def whole(value: Any) -> Any:
    """Return a JSON value with 3.0 as 3 throughout.

    KFP's compiler writes every number as a double, and its launcher, being written in Go, prints
    those without a fraction as integers.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: whole(entry) for key, entry in value.items()}
    return value


def _take(
    given: dict[str, Any],
    name: str,
    value: Any,
    declared: Mapping[str, Parameter],
    problems: list[UsageError],
    read: Callable[[str, Any], Any],
) -> None:
    """Put one value into `given`, or what is wrong with it into `problems`."""
    if name not in declared:
        hint = meant(name, declared, "known: " + (", ".join(declared) or "none"))
        problems.append(UsageError("no such parameter", where=name, remedy=hint))
        return
    kind = declared[name].type
    try:
        given[name] = read(kind, value)
    except (ValueError, OverflowError, TypeError):
        expected = _EXPECTED.get(kind, f"a type that can be set, not {kind}")
        problems.append(
            UsageError("invalid value", where=name, expected=expected, found=repr(value))
        )
        # A wrong value is not also a missing one.
        given[name] = None
