"""The command `convert`: one split, or both of a data set."""

import argparse
import dataclasses
import shlex
from typing import Any

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core import storage
from idxpipe.components.core.config import flag
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_config, add_required, add_text, read_config


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what is converted, where to, and how."""
    add_text(parser, "--images", "URI", "IDX images of one split, plain or gzip, in place of data")
    add_text(parser, "--labels", "URI", "and its labels")
    add_text(parser, "--split", "TEXT", "name of that split (default: train)", default="train")
    what = "folder of the dataset: shards and dataset.json; with --data, of train/ and test/"
    add_required(parser, "--output", what)
    add_config(parser, DataConfig, ConvertConfig, LayoutConfig)
    parser.add_argument(
        "beam_arguments", nargs="*", metavar="-- BEAM OPTIONS", help="Beam's own options"
    )


def run(args: argparse.Namespace) -> Outcome:
    """Convert one split, or both of a data set."""
    _check_what(args)
    options = " ".join([args.beam_options, *map(shlex.quote, args.beam_arguments)])
    config = dataclasses.replace(read_config(args, ConvertConfig), beam_options=options.strip())
    layout = read_config(args, LayoutConfig)
    data = read_config(args, DataConfig)
    if not data.uris:
        one = _convert(args.images, args.labels, args.output, args.split, config, layout)
        return Outcome(one, _word(one))
    files = find_files(data)
    made = {}
    for split in ("train", "test"):
        images, labels = (getattr(files, f"{split}_{kind}") for kind in ("images", "labels"))
        output = storage.join(args.output, split)
        made[split] = _convert(images, labels, output, split, config, layout)
        # As in the pipeline: the training labels say how many classes there are, and only the
        # training split gives to a validation set.
        layout = dataclasses.replace(layout, num_classes=made[split]["num_classes"])
        config = dataclasses.replace(config, validation_fraction=0.0)
    return Outcome(made, "\n".join(map(_word, made.values())))


def _check_what(args: argparse.Namespace) -> None:
    whole = any(getattr(args, name) for name in ("data", *ROLES))
    if whole and not (args.images or args.labels):
        return
    if not whole and args.images and args.labels:
        return
    names = ("data", *ROLES, "images", "labels")
    given = [flag(name) for name in names if getattr(args, name)]
    raise UsageError(
        "what to convert is not clear",
        where="convert",
        expected="either --data or all four files, or --images and --labels",
        found=", ".join(given) or "none of them",
    )


def _convert(
    images: str, labels: str, output: str, split: str, config: ConvertConfig, layout: LayoutConfig
) -> dict[str, Any]:
    """Convert one split; return what was made, as JSON values."""
    from idxpipe.components.convert.stage import convert

    dataset = convert(images, labels, output, config, layout, split=split)
    return {
        "output": output,
        "num_examples": dataset.num_examples,
        "num_classes": dataset.num_classes,
        "shards": [dataclasses.asdict(shard) for shard in dataset.shards],
    }


def _word(made: dict[str, Any]) -> str:
    shards = made["shards"]
    size = sum(shard["bytes"] for shard in shards)
    return (
        f"{made['num_examples']} examples in {len(shards)} shards, {size} bytes: {made['output']}"
    )
