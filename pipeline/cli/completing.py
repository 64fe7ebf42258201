"""What a shell may complete a word with: commands and flags, parameters, stages and runs."""

import argparse
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.pipeline.catalogue import PARAMETERS, STAGES

# Tasks of the pipeline that are no stage of the catalogue's name.
_STAGES = ("convert-test", "convert-train")


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, if it is the shell that asks."""
    import argcomplete

    for action in _actions(parser):
        choose = _CHOICES.get(str(action.metavar))
        if choose:
            action.completer = choose  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options="long")


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _runs(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from idxpipe.pipeline import state

    # Whatever is wrong there, a shell is no place to be told.
    with suppress(IdxpipeError, OSError):
        return ["latest", *state.run_ids(getattr(parsed_args, "root", "out"))[::-1]]
    return ["latest"]


def _stages(**_: Any) -> list[str]:
    return [*STAGES, *_STAGES]


def _parameters(**_: Any) -> list[str]:
    return [f"{name}=" for name in PARAMETERS]


_CHOICES = {
    "RUN": _runs,
    "RUN1": _runs,
    "RUN2": _runs,
    "ID": _runs,
    "URI|RUN": _runs,
    "STAGE": _stages,
    "NAME=VALUE": _parameters,
    "NAME=V,V|A..B": _parameters,
}
