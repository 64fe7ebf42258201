"""What the commands for Vertex AI and Kubeflow read from their flags."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import UsageError

if TYPE_CHECKING:
    from idxpipe.pipeline.rerun import Rerun
    from idxpipe.pipeline.spec.graph import Pipeline
    from idxpipe.pipeline.state import Earlier, RunRecord


def poll_of(args: argparse.Namespace) -> float:
    """Return the seconds between two looks at a run.

    Raises:
        UsageError: If they are too few or too many.
    """
    poll = float(args.poll)
    if not 0 < poll <= 3600:
        raise UsageError("invalid value", where="--poll", expected="0 to 3600 seconds", found=poll)
    return poll


def labels_of(args: argparse.Namespace) -> dict[str, str]:
    """Return the labels by key.

    Raises:
        UsageError: If one is not `KEY=VALUE`.
    """
    labels = {}
    for label in args.labels:
        key, separator, value = label.partition("=")
        if not separator:
            raise UsageError(
                "invalid value", where="--labels", expected="KEY=VALUE", found=repr(label)
            )
        labels[key] = value
    return labels


def pipeline_and_parameters(args: argparse.Namespace) -> tuple["Pipeline", dict[str, Any]]:
    """Return the compiled pipeline and the values of its parameters, both checked.

    Raises:
        UsageError: If there is no such file, or a parameter is unknown, missing, ill-typed or
            holds a secret.
        DataError: If the file is not a compiled pipeline.
    """
    from idxpipe.pipeline import rerun
    from idxpipe.pipeline.catalogue import check_values, is_ours, refuse_secrets
    from idxpipe.pipeline.compile import compiled_file
    from idxpipe.pipeline.spec import params, parse

    pipeline = parse.load_compiled(args.pipeline or compiled_file())
    if args.until:
        pipeline = rerun.until(pipeline, args.until)
    values = {"data": args.data} if args.data else {}
    parameters = params.resolve(pipeline.parameters, args.set, values)
    refuse_secrets({"root": args.root or "", **parameters})
    if is_ours(pipeline.parameters):
        check_values(parameters)
    return pipeline, parameters


def rerun_of(
    args: argparse.Namespace, found: "Earlier", go_on: Callable[["RunRecord", str | None], str]
) -> "Rerun":
    """Return the smaller pipeline that the flags cut out of an earlier run.

    Args:
        args: The flags.
        found: The earlier run.
        go_on: Words the command that goes on after a run.

    Raises:
        UsageError: If a stage or parameter is unknown, has no effect, or holds a secret.
        DataError: If the earlier run lacks what is needed.
    """
    from idxpipe.pipeline import rerun
    from idxpipe.pipeline.catalogue import check_values, is_ours, refuse_secrets
    from idxpipe.pipeline.launch import narrowed
    from idxpipe.pipeline.spec.graph import require_parts
    from idxpipe.pipeline.spec.parse import load

    whole = load(args.pipeline) if args.pipeline else found.whole
    require_parts(whole)
    plan = rerun.plan(
        found.record,
        whole,
        stages_from=args.from_stage or None,
        only=args.only or None,
        assignments=args.set + ([f"data={args.data}"] if args.data else []),
        go_on=go_on,
    )
    refuse_secrets({"root": args.root or "", **plan.parameters})
    if is_ours(plan.parameters):
        check_values(plan.parameters)
    return narrowed(plan, until=args.until)
