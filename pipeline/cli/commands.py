"""What each command does: reads its flags, calls a stage or the runner, words the result.

Stages and runner are imported inside, so that a command loads only what it needs.
"""

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core import storage
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.narration import say
from idxpipe.components.evaluate.config import EvaluateConfig, PredictConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.register.config import RegisterConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.pipeline.catalogue import check_values, is_ours
from idxpipe.pipeline.cli.flags import read_config

if TYPE_CHECKING:
    from idxpipe.pipeline.rerun import Rerun
    from idxpipe.pipeline.spec.parse import Pipeline
    from idxpipe.pipeline.state import RunRecord

DATA_PARAMETERS = ("data", *ROLES)
URI_PARAMETERS = (*DATA_PARAMETERS, "data_baseline", "baseline")
DEFAULT_DATA = "data/mnist"
Result = tuple[Any, str]
Lines = tuple[Any, Iterator[str]]


def validate(args: argparse.Namespace) -> Result:
    """Check a data set."""
    from idxpipe.components.validate.config import HEADERS
    from idxpipe.components.validate.stage import validate as run_stage

    config = read_config(args, ValidateConfig)
    files = find_files(read_config(args, DataConfig))
    # Here nobody waits for fingerprints.
    fingerprints = config.depth != HEADERS
    outputs = (args.report or None, args.page or None)
    found = run_stage(files, config, *outputs, fingerprints=fingerprints)
    report = found.to_json()
    lines = [f"{'file':<14}{'records':>9}  {'shape':<10}{'type':<9}{'fingerprint':<20}uri"]
    for role, file in found.files.items():
        header = file.header
        lines.append(
            f"{role:<14}{header.records:>9}  {'x'.join(map(str, header.record_shape)):<10}"
            f"{header.dtype:<9}{file.fingerprint or '-'!s:<20}{file.uri}"
        )
    lines += map(str, found.findings)
    classes = found.num_classes if found.num_classes is not None else "uncounted"
    lines.append(f"in order: {classes} classes, {report['image_dtype']} images")
    return report, "\n".join(lines)


def convert(args: argparse.Namespace) -> Result:
    """Convert one split, or both of a data set."""
    if bool(args.data) == bool(args.images or args.labels) or bool(args.images) != bool(
        args.labels
    ):
        raise UsageError(
            "what to convert is not clear",
            where="convert",
            expected="either --data, or --images and --labels",
            found=", ".join(f"--{n}" for n in ("data", "images", "labels") if getattr(args, n))
            or "none of them",
        )
    if not args.data:
        return _convert_one(args, args.images, args.labels, args.output, args.split)
    files = find_files(DataConfig(data=args.data))
    data, texts = {}, []
    for split in ("train", "test"):
        images, labels = (getattr(files, f"{split}_{kind}") for kind in ("images", "labels"))
        output = storage.join(args.output, split)
        data[split], text = _convert_one(args, images, labels, output, split)
        # As in the pipeline: the training labels say how many classes there are, and only the
        # training split gives to a validation set.
        args.num_classes = data[split]["num_classes"]
        args.validation_fraction = 0.0
        texts.append(text)
    return data, "\n".join(texts)


def _convert_one(
    args: argparse.Namespace, images: str, labels: str, output: str, split: str
) -> Result:
    from idxpipe.components.convert.stage import convert as run_stage

    config = read_config(args, ConvertConfig)
    options = " ".join([config.beam_options, *map(shlex.quote, args.beam_arguments)])
    expect = read_config(args, LayoutConfig)
    dataset = run_stage(
        images,
        labels,
        output,
        dataclasses.replace(config, beam_options=options.strip()),
        split=split,
        num_classes=expect.num_classes,
        image_shape=expect.shape,
        label_column=expect.label_column,
        transposed=expect.transposed,
    )
    data = {
        "output": output,
        "num_examples": dataset.num_examples,
        "num_classes": dataset.num_classes,
        "shards": [dataclasses.asdict(shard) for shard in dataset.shards],
    }
    size = sum(shard.bytes for shard in dataset.shards)
    text = (
        f"{dataset.num_examples} examples in {len(dataset.shards)} shards, {size} bytes: {output}"
    )
    return data, text


def records(args: argparse.Namespace) -> Result:
    """Check a dataset and show its first examples."""
    from idxpipe.components.convert.records import check_records, first_examples

    dataset = check_records(args.records)
    shown = first_examples(args.records, args.show) if args.show > 0 else []
    lines = [f"{example.draw()}\nlabel {example.label}\n" for example in shown]
    lines += [f"{'shard':<44}{'examples':>10}{'bytes':>14}  crc32c"]
    lines += [f"{s.name:<44}{s.examples:>10}{s.bytes:>14}  {s.crc32c:08x}" for s in dataset.shards]
    lines.append(f"in order: {dataset.num_examples} examples, every checksum right")
    data = {
        "num_examples": dataset.num_examples,
        "class_counts": dataset.class_counts,
        "shards": [dataclasses.asdict(shard) for shard in dataset.shards],
        "examples": [{"label": e.label, "image": e.image.tolist()} for e in shown],
    }
    return data, "\n".join(lines)


def export(args: argparse.Namespace) -> Result:
    """Write a dataset as files of another format."""
    from idxpipe.components.convert.export import export as run_export

    made = run_export(args.records, args.to, args.output)
    order = "" if made.in_source_order else ", in the dataset's own order, as it is a shuffled part"
    text = "\n".join([*made.uris, f"{made.num_examples} examples{order}"])
    return dataclasses.asdict(made), text


def train(args: argparse.Namespace) -> Result:
    """Train a model, or go on training it."""
    from idxpipe.components.train.stage import train as run_stage

    output = args.output
    result = run_stage(
        args.records,
        storage.join(output, "model"),
        storage.join(output, "checkpoints"),
        storage.join(output, "logs"),
        read_config(args, TrainConfig),
        read_config(args, DeviceConfig),
    )
    data = {"model": storage.join(output, "model"), **dataclasses.asdict(result)}
    return data, f"step {result.step}, loss {result.loss:.4f}: {data['model']}"


def evaluate(args: argparse.Namespace) -> Result:
    """Evaluate a model."""
    from idxpipe.components.evaluate.stage import evaluate as run_stage
    from idxpipe.components.gate.stage import gate

    metrics = storage.join(args.output, "metrics.json")
    report = storage.join(args.output, "report.html")
    result = run_stage(
        args.records,
        args.model,
        metrics,
        report,
        read_config(args, EvaluateConfig),
        read_config(args, DeviceConfig),
    )
    gate(metrics, read_config(args, GateConfig))
    data = {"metrics": metrics, "report": report, **dataclasses.asdict(result)}
    text = (
        f"accuracy {result.accuracy:.4f}, loss {result.loss:.4f} "
        f"on {result.num_examples} examples: {report}"
    )
    return data, text


def predict(args: argparse.Namespace) -> Lines:
    """Classify images."""
    from idxpipe.components.evaluate.predict import predict as run
    from idxpipe.components.evaluate.predict import prepare
    from idxpipe.pipeline.cli.predictions import as_lines

    task = prepare(args.model, args.images, read_config(args, PredictConfig))
    if not args.json:
        return None, as_lines(task, run(task), args.format)
    found = [prediction.to_json() for prediction in run(task)]
    return {"model": task.card.uri, "step": task.card.step, "predictions": found}, iter(())


def compile_(args: argparse.Namespace) -> Result:
    """Write or check pipeline.yaml."""
    from idxpipe.pipeline.compile import check_compiled, compile_pipeline

    registry = _registry(args) if args.register else None
    compiled = compile_pipeline(args.image, args.accelerator, args.train_image, registry)
    if args.check:
        check_compiled(args.output, compiled)
        return {"pipeline": args.output, "stale": False}, f"{args.output} is up to date"
    storage.write(args.output, compiled)
    return {"pipeline": args.output}, f"compiled to {args.output}"


def _registry(args: argparse.Namespace) -> RegisterConfig:
    for name in ("project", "region"):
        if not getattr(args, name):
            raise UsageError(
                "the registry's place is missing", where=f"--{name}", remedy=f"give --{name}"
            )
    return read_config(argparse.Namespace(register_as=args.register, **vars(args)), RegisterConfig)


def run(args: argparse.Namespace) -> Result:
    """Run the compiled pipeline, or part of it, on this machine."""
    from idxpipe.pipeline.cli import progress
    from idxpipe.pipeline.cli.live import Live
    from idxpipe.pipeline.failure import error_of
    from idxpipe.pipeline.local import runner as local

    if args.run and not (args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage, too",
            where="--run",
            expected="--from STAGE or --only STAGE beside it",
            found=args.run,
        )
    options: dict[str, Any] = {
        "cache": not args.no_cache,
        "jobs": args.jobs or None,
    }
    if args.from_stage or args.only:
        again = _rerun(args)
        options |= {"force": again.force, "earlier": again.earlier}
        pipeline, parameters = again.pipeline, again.parameters
    else:
        pipeline, parameters = _first_run(args)
    if is_ours(pipeline.parameters):
        check_values(parameters)
    # Before the run's record keeps them.
    for uri in (args.root, *(parameters.get(name, "") for name in URI_PARAMETERS)):
        storage.refuse_secrets(uri)
    with Live() if sys.stderr.isatty() else nullcontext(progress.Lines()) as shown:
        record = local.run(pipeline, parameters, args.root, progress=shown, **options)
    error = error_of(record)
    if error:
        reports = [f"report  {_shown(uri)}" for uri in progress.reports(record).values()]
        say("\n".join([progress.format_table(record), *reports]))
        args.failed = {"run": record.to_json()}
        raise error
    return record.to_json(), _summary(record)


def runs(args: argparse.Namespace) -> Result:
    """List the runs below a root."""
    from idxpipe.pipeline import state
    from idxpipe.pipeline.state import duration

    records = []
    lines = [f"{'run':<28}{'status':<12}{'time':>12}  stages"]
    for run_id in state.run_ids(args.root):
        try:
            record = state.load(args.root, run_id)
        except DataError as error:
            lines.append(f"{run_id:<28}{error.problem}")
            continue
        records.append(record)
        stages = [task for task in record.tasks.values() if task.kind == "container"]
        done = [task for task in stages if task.status.finished]
        lines.append(
            f"{record.run_id:<28}{record.status:<12}{duration(record.seconds):>12}  "
            f"{len(done)} of {len(stages)} done"
        )
    return [record.to_json() for record in records], "\n".join(lines)


def _first_run(args: argparse.Namespace) -> tuple["Pipeline", dict[str, Any]]:
    from idxpipe.pipeline.compile import PIPELINE_FILE
    from idxpipe.pipeline.spec import params
    from idxpipe.pipeline.spec import parse as spec

    pipeline = spec.load_compiled(args.pipeline or PIPELINE_FILE)
    values: dict[str, Any] = {}
    given = {assignment.partition("=")[0].strip() for assignment in args.set}
    if args.data is not None:
        values["data"] = args.data
    elif is_ours(pipeline.parameters) and not given & set(DATA_PARAMETERS):
        values["data"] = DEFAULT_DATA
    resolved = params.resolve(pipeline.parameters, args.set, values)
    return pipeline, _absolute(resolved) if is_ours(pipeline.parameters) else resolved


def _rerun(args: argparse.Namespace) -> "Rerun":
    from idxpipe.pipeline.rerun import rerun
    from idxpipe.pipeline.spec import parse as spec
    from idxpipe.pipeline.state import LATEST

    assignments = [*args.set, *([f"data={args.data}"] if args.data is not None else [])]
    return rerun(
        args.root,
        args.run or LATEST,
        stages_from=args.from_stage or None,
        only=args.only or None,
        assignments=[_absolute_assignment(text) for text in assignments],
        pipeline=spec.load_compiled(args.pipeline) if args.pipeline else None,
    )


def _absolute(parameters: dict[str, Any]) -> dict[str, Any]:
    """Make local paths absolute, so that a rerun from another folder means the same files."""
    return {
        name: os.path.abspath(storage.local_path(value))
        if name in URI_PARAMETERS and value and storage.is_local(value)
        else value
        for name, value in parameters.items()
    }


def _absolute_assignment(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={_absolute({name.strip(): value})[name.strip()]}" if value else text


def _summary(record: "RunRecord") -> str:
    from idxpipe.pipeline.cli import progress

    lines = [progress.format_table(record), "", *progress.metric_lines(record)]
    lines += [f"report            {_shown(uri)}" for uri in progress.reports(record).values()]
    lines.append(f"run               {_shown(record.folder)}")
    return "\n".join(lines)


def _shown(uri: str) -> str:
    """Return a path below the current folder relative to it, anything else as it is."""
    here = os.getcwd() + os.sep
    return uri.removeprefix(here) if storage.is_local(uri) else uri
