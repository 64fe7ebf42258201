"""The command `export`."""

import argparse
import dataclasses

from idxpipe.components.convert.config import EXPORTS
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_required, add_root


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the format and the folder."""
    what = "folder of a converted dataset, or RUN:convert-test of a run, its id or `latest`"
    parser.add_argument("records", metavar="URI|RUN", help=what)
    add_root(parser)
    parser.add_argument(
        "--to",
        required=True,
        choices=EXPORTS,
        metavar="{" + ",".join(EXPORTS) + "}",
        help="format; png makes a folder per class",
    )
    add_required(parser, "--output", "folder that gets the files; both splits may share one")


def run(args: argparse.Namespace) -> Outcome:
    """Write a dataset as files of another format."""
    from idxpipe.components.convert.export import export
    from idxpipe.pipeline.runs.reference import TRAINING, resolve

    made = export(resolve(args.records, args.root, TRAINING), args.to, args.output)
    order = "" if made.in_source_order else ", in the dataset's own order, as it is a shuffled part"
    text = "\n".join([*made.uris, f"{made.num_examples} examples{order}"])
    return Outcome(dataclasses.asdict(made), text)
