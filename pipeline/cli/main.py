"""The `idxpipe` command: parses flags, runs one command, prints its result.

stdout is data, stderr is narration. Each command returns its result twice: as JSON values for
`--json`, and as text, or as lines of text where they come one after another.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from idxpipe import __version__
from idxpipe.components.convert.config import EXPORTS, ConvertConfig
from idxpipe.components.core.config import describe, fields, flag
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import PREFIX, IdxpipeError
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.evaluate.config import EvaluateConfig, PredictConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.register.config import RegisterConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.pipeline.cli import commands
from idxpipe.pipeline.cli import look_ahead as cli_cloud
from idxpipe.pipeline.cli import tpu_check as tpu_command
from idxpipe.pipeline.cli.flags import add_assignments, add_config, add_stages
from idxpipe.pipeline.cli.predictions import FORMATS, TABLE
from idxpipe.pipeline.cli.service_flags import add_commands
from idxpipe.pipeline.vertex.targets import TARGETS

Command = Callable[[argparse.Namespace], tuple[Any, str | Iterator[str]]]

EXIT_CODES = """\
exit codes: 0 done, 1 a defect of idxpipe, 2 usage, 3 bad data, 4 gate not passed,
5 environment, 6 transient: try again, 130 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    args = build_parser().parse_args(argv)
    try:
        data, text = args.command(args)
        lines = json.dumps(data, indent=2) if args.json else text
        _print([lines] if isinstance(lines, str) else lines)
    except IdxpipeError as error:
        print(f"{PREFIX}{error}", file=sys.stderr)
        if args.json:
            failed = getattr(args, "failed", {})
            print(json.dumps({"error": error.to_json(), **failed}, indent=2))
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return int(getattr(args, "exit_code", 0))


def _print(lines: Iterable[str]) -> None:
    """Print lines as they come, for as long as somebody reads them."""
    for line in lines:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # The reader went away, as `head` does.
            sys.stderr.close()
            return


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="idxpipe",
        description="From IDX files to an evaluated model, as one compiled Kubeflow pipeline.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"idxpipe {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(
        subparsers, "run", commands.run, "run the compiled pipeline on this machine, with cache"
    )
    _add_run_flags(run)

    validate = _command(
        subparsers, "validate", commands.validate, "check IDX files and take their fingerprints"
    )
    add_config(validate, DataConfig, ValidateConfig)
    for name, what in (("--report", "JSON report"), ("--page", "HTML page, with pictures,")):
        validate.add_argument(name, default="", metavar="URI", help=f"also write the {what} here")

    convert = _command(
        subparsers,
        "convert",
        commands.convert,
        "convert IDX files to TFRecord with Beam; Beam's own options follow after --",
    )
    what = "folder with the four files of a data set: converts both splits"
    convert.add_argument("--data", default="", metavar="URI", help=what)
    what = "or IDX images of one split, plain or gzip"
    convert.add_argument("--images", default="", metavar="URI", help=what)
    convert.add_argument("--labels", default="", metavar="URI", help="and its labels")
    what = "name of that split (default: train)"
    convert.add_argument("--split", default="train", metavar="TEXT", help=what)
    what = "folder of the dataset: shards and dataset.json; with --data, of train/ and test/"
    _uri(convert, "--output", what)
    add_config(convert, ConvertConfig, LayoutConfig)
    convert.add_argument("beam_arguments", nargs="*", metavar="-- BEAM OPTIONS")

    _add_dataset_commands(subparsers)

    train = _command(
        subparsers, "train", commands.train, "train a model on a dataset, or go on training it"
    )
    _uri(train, "--records", "folder of a converted dataset")
    _uri(train, "--output", "folder that gets model/, checkpoints/ and logs/")
    add_config(train, TrainConfig, DeviceConfig)

    evaluate = _command(subparsers, "evaluate", commands.evaluate, "evaluate a model on a dataset")
    _uri(evaluate, "--records", "folder of a converted dataset")
    _uri(evaluate, "--model", "folder of a SavedModel, or the output of train")
    _uri(evaluate, "--output", "folder that gets metrics.json and report.html")
    add_config(evaluate, EvaluateConfig, GateConfig, DeviceConfig)

    predict = _command(
        subparsers, "predict", commands.predict, "classify images with a trained model"
    )
    _uri(predict, "--model", "folder of a SavedModel, or the output of train")
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="IDX files, plain or gzip; PNG files; or folders of PNG files",
    )
    predict.add_argument(
        "--format",
        default=TABLE,
        choices=FORMATS,
        help="of the lines on stdout; --json gathers all in one document instead (default: table)",
    )
    add_config(predict, PredictConfig)

    compile_ = _command(
        subparsers, "compile", commands.compile_, "write pipeline.yaml from its definition"
    )
    compile_.add_argument(
        "--output", default="pipeline.yaml", metavar="FILE", help="default: pipeline.yaml"
    )
    compile_.add_argument(
        "--image", default="", metavar="NAME", help="container image that the stages run in"
    )
    compile_.add_argument(
        "--accelerator",
        default="auto",
        metavar="NAME",
        help=f"machine of the train stage on Vertex AI: {', '.join(TARGETS)} (default: auto)",
    )
    compile_.add_argument(
        "--train-image",
        default="",
        metavar="NAME",
        help="container image for that machine, where it needs another",
    )
    _add_register_flags(compile_)
    compile_.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file is stale"
    )

    runs = _command(subparsers, "runs", commands.runs, "list the runs below a root")
    _root(runs)

    add_commands(lambda name, command, text: _command(subparsers, name, command, text))
    tpu_command.add_commands(lambda name, command, text: _command(subparsers, name, command, text))
    cli_cloud.add_commands(lambda name, command, text: _command(subparsers, name, command, text))
    return parser


def _add_dataset_commands(subparsers: Any) -> None:
    records = _command(
        subparsers, "records", commands.records, "check every record of a dataset, show the first"
    )
    records.add_argument("records", metavar="URI", help="folder of a converted dataset")
    records.add_argument(
        "--show", type=int, default=0, metavar="N", help="draw the first N examples (default: 0)"
    )

    export = _command(
        subparsers, "export", commands.export, "write a dataset as IDX, NumPy or PNG files again"
    )
    export.add_argument("records", metavar="URI", help="folder of a converted dataset")
    what = "PNG: a folder per class"
    export.add_argument("--to", required=True, choices=EXPORTS, help=what)
    _uri(export, "--output", "folder that gets the files; both splits may share one")


def _command(subparsers: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.set_defaults(command=command)
    return parser


def _uri(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    parser.add_argument(name, required=True, metavar="URI", help=text)


def _root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        default="out",
        metavar="DIR",
        help="where runs and their artifacts are kept (default: out)",
    )


def _add_register_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("A last stage that registers the model on Vertex AI")
    group.add_argument(
        "--register", default="", metavar="NAME", help="add the stage; display name of the model"
    )
    for name in ("project", "region", "register_when", "serving_image"):
        field = next(f for f in fields(RegisterConfig) if f.name == name)
        group.add_argument(flag(name), default=field.default, metavar="TEXT", help=describe(field))


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        default=None,
        metavar="URI",
        help="folder with the four IDX files (default: data/mnist)",
    )
    _root(parser)
    add_assignments(parser)
    add_stages(parser)
    parser.add_argument(
        "--run",
        default="",
        metavar="ID",
        help="the earlier run that --from and --only go on from (default: latest)",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="run every stage, even if nothing changed"
    )
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="stages at a time (default: one per CPU)"
    )
    parser.add_argument(
        "--pipeline",
        default="",
        metavar="FILE",
        help="the compiled pipeline (default: pipeline.yaml; for --from and --only, the one that "
        "the earlier run ran)",
    )
