"""Command-line flags made from the stages' configurations."""

import argparse
import dataclasses
from typing import Any, TypeVar

from idxpipe.components.core.config import Config, describe, fields, flag

ConfigT = TypeVar("ConfigT", bound=Config)


def add_config(parser: argparse.ArgumentParser, *configs: type[Config]) -> None:
    """Add a flag for each parameter of `configs`, with its default, help, unit and bounds."""
    for config in configs:
        group = parser.add_argument_group((config.__doc__ or "").rstrip("."))
        for field in fields(config):
            group.add_argument(
                flag(field.name),
                type=_boolean if type(field.default) is bool else type(field.default),
                default=field.default,
                metavar=_metavar(field),
                help=f"{describe(field)} (default: {_show(field.default)})".replace("%", "%%"),
            )


def read_config(args: argparse.Namespace, config: type[ConfigT]) -> ConfigT:
    """Return `config` from parsed flags.

    Raises:
        UsageError: If a value is out of bounds.
    """
    return config.of(vars(args))


def add_assignments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that sets pipeline parameters."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a pipeline parameter; may be repeated",
    )


def add_stages(parser: argparse.ArgumentParser) -> None:
    """Add the flags that pick the stages of a rerun."""
    stages = parser.add_mutually_exclusive_group()
    stages.add_argument(
        "--from",
        dest="from_stage",
        default="",
        metavar="STAGE",
        help="rerun this stage and those after it, on the artifacts of an earlier run",
    )
    stages.add_argument(
        "--only", default="", metavar="STAGE", help="rerun this stage alone, likewise"
    )


def _metavar(field: dataclasses.Field[Any]) -> str:
    return {bool: "true|false", int: "N", float: "X", str: "TEXT"}[type(field.default)]


def _boolean(text: str) -> bool:
    # As of --set, which takes JSON.
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text == "true"


def _show(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return default if default != "" else "empty"
