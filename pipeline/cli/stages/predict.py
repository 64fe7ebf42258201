"""The command `predict`: predictions line by line, as they come."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from idxpipe.components.core.printable import printable
from idxpipe.components.evaluate.config import PredictConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_config, add_made, add_root, read_config

if TYPE_CHECKING:
    from idxpipe.components.evaluate.predict import Prediction, Task

TABLE, JSONL = FORMATS = ("table", "jsonl")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the form of the lines."""
    what = "folder of a SavedModel, the output of train, or a run: its id or `latest`"
    add_made(parser, "--model", what)
    add_root(parser)
    what = "IDX files, plain or gzip; PNG files; or folders of PNG files, or of such folders"
    parser.add_argument("images", nargs="+", metavar="IMAGES", help=what)
    parser.add_argument(
        "--format",
        default=TABLE,
        choices=FORMATS,
        metavar="{" + ",".join(FORMATS) + "}",
        help="of the lines on stdout; --json gathers all in one document instead (default: table)",
    )
    add_config(parser, PredictConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Classify images."""
    from idxpipe.components.evaluate.predict import predict, prepare
    from idxpipe.pipeline.runs.reference import MODEL, resolve

    model = resolve(args.model, args.root, MODEL)
    task = prepare(model, args.images, read_config(args, PredictConfig))
    if not args.json:
        return Outcome(None, _lines(task, predict(task), args.format))
    found = [prediction.to_json() for prediction in predict(task)]
    return Outcome({"model": task.card.uri, "step": task.card.step, "predictions": found})


def _lines(task: "Task", predictions: "Iterator[Prediction]", form: str) -> Iterator[str]:
    """Yield predictions as lines: a table with a head, or one JSON document a line."""
    if form == JSONL:
        return (json.dumps(prediction.to_json()) for prediction in predictions)
    return _table(task, predictions)


def _table(task: "Task", predictions: "Iterator[Prediction]") -> Iterator[str]:
    # Columns of a width that is known beforehand: the lines are printed as they come.
    wide = max(len(source.uri) for source in task.sources)
    k = min(task.config.top_k, task.card.num_classes)
    head = f"{'file':<{wide}}{'index':>8}" + f"{'class':>7}{'probability':>13}" * k
    for prediction in predictions:
        # Not before there is something to show: an error is all there is then.
        if head:
            yield head
            head = ""
        pairs = zip(prediction.classes, prediction.probabilities, strict=True)
        shown = "".join(f"{number:>7}{share:>13.4f}" for number, share in pairs)
        names = "  " + ", ".join(map(printable, prediction.names)) if prediction.names else ""
        yield f"{prediction.file:<{wide}}{prediction.index:>8}{shown}{names}"
