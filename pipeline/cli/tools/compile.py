"""The command `compile`."""

import argparse

from idxpipe.components.core import storage
from idxpipe.components.core.config import fields
from idxpipe.components.core.errors import UsageError
from idxpipe.components.register.config import RegisterConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_parameter, add_text
from idxpipe.pipeline.vertex.targets import TARGETS


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the choices of compile time: image, accelerator, registry."""
    add_text(parser, "--output", "FILE", "default: pipeline.yaml", default="pipeline.yaml")
    add_text(parser, "--image", "NAME", "container image that the stages run in")
    what = f"machine of the train stage on Vertex AI: {', '.join(TARGETS)} (default: auto)"
    add_text(parser, "--accelerator", "NAME", what, default="auto")
    what = "container image for that machine, where it needs another"
    add_text(parser, "--train-image", "NAME", what)
    what = "write nothing; exit 1 if the file is stale"
    parser.add_argument("--check", action="store_true", help=what)
    group = parser.add_argument_group("A last stage that registers the model on Vertex AI")
    add_text(group, "--register", "NAME", "add the stage; display name of the model")
    for field in fields(RegisterConfig):
        if field.name != "register_as":
            add_parameter(group, field)


def run(args: argparse.Namespace) -> Outcome:
    """Write or check pipeline.yaml."""
    from idxpipe.pipeline.compile import check_compiled, compile_pipeline

    registry = _registry(args) if args.register else None
    compiled = compile_pipeline(args.image, args.accelerator, args.train_image, registry)
    if args.check:
        check_compiled(args.output, compiled)
        return Outcome({"pipeline": args.output, "stale": False}, f"{args.output} is up to date")
    storage.write(args.output, compiled)
    return Outcome({"pipeline": args.output}, f"compiled to {args.output}")


def _registry(args: argparse.Namespace) -> RegisterConfig:
    for name in ("project", "region"):
        if not getattr(args, name):
            raise UsageError(
                "the registry's place is missing", where=f"--{name}", remedy=f"give --{name}"
            )
    return RegisterConfig.of({**vars(args), "register_as": args.register})
