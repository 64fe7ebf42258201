"""The command `records`."""

import argparse
import dataclasses

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, and how many examples to draw."""
    what = "folder of a converted dataset, or RUN:convert-test of a run, its id or `latest`"
    parser.add_argument("records", metavar="URI|RUN", help=what)
    add_root(parser)
    what = "draw the first N examples (default: 0)"
    parser.add_argument("--show", type=int, default=0, metavar="N", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """Check a dataset and show its first examples."""
    from idxpipe.components.convert.records import check_records, first_examples
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.runs.reference import TRAINING, resolve

    records = resolve(args.records, args.root, TRAINING)
    dataset = check_records(records)
    shown = first_examples(records, args.show) if args.show > 0 else []
    rows = [(s.name, s.examples, s.bytes, f"{s.crc32c:08x}") for s in dataset.shards]
    lines = [
        *(f"{example.draw()}\nlabel {example.label}\n" for example in shown),
        table("shard", "examples", "bytes", "crc32c", rows=rows),
        f"in order: {dataset.num_examples} examples, every checksum right",
    ]
    data = {
        "num_examples": dataset.num_examples,
        "class_counts": dataset.class_counts,
        "shards": [dataclasses.asdict(shard) for shard in dataset.shards],
        "examples": [{"label": e.label, "image": e.image.tolist()} for e in shown],
    }
    return Outcome(data, "\n".join(lines))
