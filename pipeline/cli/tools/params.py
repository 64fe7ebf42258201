"""The command `params`: every parameter of the pipeline, as its stage declares it."""

import argparse
import dataclasses
from typing import Any

from idxpipe.components.core.config import bounds
from idxpipe.components.core.errors import UsageError, meant
from idxpipe.pipeline.catalogue import PARAMETERS, stages_of
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import default_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the parameters that are asked for."""
    what = "of these only, each explained (default: all)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """List parameters."""
    names = [name.replace("-", "_") for name in args.names]
    for name in names:
        if name not in PARAMETERS:
            raise UsageError(
                "no such parameter",
                where="params",
                found=name,
                remedy=meant(name, PARAMETERS, "idxpipe params lists them"),
            )
    found = {name: PARAMETERS[name] for name in names or PARAMETERS}
    data = [_data(field) for field in found.values()]
    if names:
        return Outcome(data, "\n\n".join(map(_text, found.values())))
    from idxpipe.pipeline.cli.tables import table

    rows = [
        (name, ", ".join(stages_of(name)), _kind(field), _allowed(field), _default(field))
        for name, field in found.items()
    ]
    return Outcome(data, table("parameter", "stage", "type", "allowed", "default", rows=rows))


def _data(field: dataclasses.Field[Any]) -> dict[str, Any]:
    meta = field.metadata
    return {
        "name": field.name,
        "stages": stages_of(field.name),
        "type": _kind(field),
        "default": field.default,
        "recipes": dict(meta["presets"]),
        **{key: meta[key] for key in ("help", "unit", "minimum", "maximum", "choices")},
    }


def _text(field: dataclasses.Field[Any]) -> str:
    lines = {
        "stage": ", ".join(stages_of(field.name)),
        "type": _kind(field),
        "unit": field.metadata["unit"],
        "allowed": _allowed(field),
        "default": default_of(field),
        "set it": f"--set {field.name}=VALUE",
    }
    given = [f"  {name:<9}{value}" for name, value in lines.items() if value]
    return "\n".join([f"{field.name}: {field.metadata['help']}", *given])


def _kind(field: dataclasses.Field[Any]) -> str:
    return type(field.default).__name__


def _allowed(field: dataclasses.Field[Any]) -> str:
    return ", ".join(field.metadata["choices"]) or bounds(field)


def _default(field: dataclasses.Field[Any]) -> str:
    """Return the default in a few letters: the recipes' values in their order."""
    values = field.metadata["presets"].values()
    return " | ".join(map(str, dict.fromkeys(values))) if values else default_of(field)
