"""Flags that several commands share, and those made from the stages' configurations."""

import argparse
import dataclasses
import os
from typing import Any, TypeVar

from idxpipe.components.core.config import Config, bounds, fields, flag
from idxpipe.components.core.errors import UsageError

ConfigT = TypeVar("ConfigT", bound=Config)


def add_config(parser: argparse.ArgumentParser, *configs: type[Config]) -> None:
    """Add a flag for each parameter of `configs`, the seldom used ones in a group at the end."""
    seldom = []
    for config in configs:
        title = (config.__doc__ or "").partition("\n")[0].rstrip(".")
        group = parser.add_argument_group(title)
        for field in fields(config):
            if field.metadata["seldom"]:
                seldom.append(field)
            else:
                add_parameter(group, field)
    if seldom:
        group = parser.add_argument_group("Seldom needed")
        for field in seldom:
            add_parameter(group, field)


def add_parameter(group: Any, field: dataclasses.Field[Any]) -> None:
    """Add the flag of one parameter, with its help, unit, bounds and default."""
    kind = type(field.default)
    alone: dict[str, Any] = {"nargs": "?", "const": True} if kind is bool else {}
    notes = [field.metadata["unit"], bounds(field), f"default: {default_of(field)}"]
    group.add_argument(
        flag(field.name),
        type=_boolean if kind is bool else kind,
        default=field.default,
        metavar=_metavar(field),
        **alone,
        help=f"{field.metadata['help']} ({'; '.join(filter(None, notes))})".replace("%", "%%"),
    )


def default_of(field: dataclasses.Field[Any]) -> str:
    """Return the default of a parameter in words: what each recipe has, if it is theirs."""
    presets = field.metadata["presets"]
    if len(set(presets.values())) == 1:
        return str(next(iter(presets.values())))
    if presets:
        values = [f"{value} in {recipe}" for recipe, value in presets.items()]
        return f"the recipe's, {', '.join(values)}"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return "none" if field.default == "" else str(field.default)


def read_config(args: argparse.Namespace, config: type[ConfigT]) -> ConfigT:
    """Return `config` from parsed flags.

    Raises:
        UsageError: If a value is out of bounds.
    """
    return config.of(vars(args))


def add_text(
    parser: Any,
    name: str,
    metavar: str,
    help: str,  # noqa: A002
    default: str = "",
) -> None:
    """Add a flag that takes text."""
    parser.add_argument(name, default=default, metavar=metavar, help=help)


def add_required(parser: Any, name: str, help: str) -> None:  # noqa: A002
    """Add a flag that takes a URI and must be given."""
    parser.add_argument(name, required=True, metavar="URI", help=help)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says where the runs of this machine are."""
    text = "where runs and their artifacts are kept (default: out)"
    add_text(parser, "--root", "URI", text, default="out")


def add_made(parser: Any, name: str, help: str) -> None:  # noqa: A002
    """Add a flag that must be given: a URI, or the run that made what is there."""
    parser.add_argument(name, required=True, metavar="URI|RUN", help=help)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add a run, and the root that it is below."""
    what = "its id, its beginning, `latest`, `latest~1`, or its folder (default: latest)"
    parser.add_argument("run_id", nargs="?", default="latest", metavar="RUN", help=what)
    add_root(parser)


def add_pipeline(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add the flag that names the compiled pipeline."""
    text = f"the compiled pipeline (default: pipeline.yaml{note})"
    add_text(parser, "--pipeline", "FILE", text)


def add_assignments(parser: argparse.ArgumentParser) -> None:
    """Add the flag that sets pipeline parameters."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a pipeline parameter, see `idxpipe params`; may be repeated",
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


def add_no_cache(parser: argparse.ArgumentParser) -> None:
    """Add the flag that runs every stage."""
    text = "run every stage, even if nothing changed"
    parser.add_argument("--no-cache", action="store_true", help=text)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where on Google Cloud."""
    environ = os.environ
    text = "Google Cloud project (default: $GOOGLE_CLOUD_PROJECT)"
    add_text(parser, "--project", "ID", text, environ.get("GOOGLE_CLOUD_PROJECT", ""))
    region = environ.get("CLOUD_ML_REGION") or environ.get("GOOGLE_CLOUD_REGION", "")
    text = "where it runs (default: $CLOUD_ML_REGION, $GOOGLE_CLOUD_REGION)"
    add_text(parser, "--region", "REGION", text, region)


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """Add the flag with which durations are put in place of the assumed ones."""
    parser.add_argument(
        "--minutes",
        action="append",
        default=[],
        metavar="STAGE=MINUTES",
        help="duration of a stage in place of the assumed one; may be repeated",
    )


def read_minutes(assignments: list[str]) -> dict[str, float]:
    """Return durations by stage, from `STAGE=MINUTES` each.

    Raises:
        UsageError: If one is not of that form.
    """
    minutes = {}
    for assignment in assignments:
        stage, _, value = assignment.partition("=")
        try:
            minutes[stage] = float(value)
        except ValueError:
            raise UsageError(
                "not a duration",
                where="--minutes",
                expected="STAGE=MINUTES, such as train=30",
                found=repr(assignment),
            ) from None
    return minutes


def _metavar(field: dataclasses.Field[Any]) -> str:
    if field.metadata["choices"]:
        return "{" + ",".join(field.metadata["choices"]) + "}"
    return {bool: "true|false", int: "N", float: "X", str: "TEXT"}[type(field.default)]


def _boolean(text: str) -> bool:
    # As in --set, which takes JSON.
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"expected true or false, found {text!r}")
    return text == "true"
