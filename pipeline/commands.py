"""What each command does: reads its flags, calls a stage or the runner, words the result.

Stages and runner are imported inside, so that a command loads only what it needs.
"""

import argparse
import dataclasses
import shlex
from typing import Any

from components.convert.config import ConvertConfig
from components.core import storage
from components.core.device import DeviceConfig
from components.core.files import DataConfig, find_files
from components.evaluate.config import EvaluateConfig
from components.train.config import TrainConfig
from components.validate.config import ValidateConfig
from pipeline.flags import read_config

Result = tuple[Any, str]


def validate(args: argparse.Namespace) -> Result:
    """Check a data set."""
    from components.validate.stage import validate as run_stage

    config = read_config(args, ValidateConfig)
    found = run_stage(find_files(read_config(args, DataConfig)), config, args.report or None)
    report = found.to_json()
    lines = [f"{'file':<14}{'records':>9}  {'shape':<10}{'type':<9}{'fingerprint':<20}uri"]
    for role, file in found.files.items():
        header = file.header
        lines.append(
            f"{role:<14}{header.records:>9}  {'x'.join(map(str, header.record_shape)):<10}"
            f"{header.dtype:<9}{file.fingerprint!s:<20}{file.uri}"
        )
    lines.append(f"in order: {found.num_classes} classes, {report['image_dtype']} images")
    return report, "\n".join(lines)


def convert(args: argparse.Namespace) -> Result:
    """Convert one split."""
    from components.convert.stage import convert as run_stage

    config = read_config(args, ConvertConfig)
    options = " ".join([config.beam_options, *map(shlex.quote, args.beam_arguments)])
    expect = read_config(args, ValidateConfig)
    dataset = run_stage(
        args.images,
        args.labels,
        args.output,
        dataclasses.replace(config, beam_options=options.strip()),
        split=args.split,
        num_classes=expect.num_classes,
        image_shape=expect.shape,
    )
    data = {"output": args.output, "num_examples": dataset.num_examples} | {
        "shards": [dataclasses.asdict(shard) for shard in dataset.shards]
    }
    size = sum(shard.bytes for shard in dataset.shards)
    text = (
        f"{dataset.num_examples} examples in {len(dataset.shards)} shards, {size} bytes: "
        f"{args.output}"
    )
    return data, text


def train(args: argparse.Namespace) -> Result:
    """Train a model, or go on training it."""
    from components.train.stage import train as run_stage

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
    from components.evaluate.stage import evaluate as run_stage

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
    data = {"metrics": metrics, "report": report, **dataclasses.asdict(result)}
    text = (
        f"accuracy {result.accuracy:.4f}, loss {result.loss:.4f} "
        f"on {result.num_examples} examples: {report}"
    )
    return data, text


def compile_(args: argparse.Namespace) -> Result:
    """Write or check pipeline.yaml."""
    from pipeline.compile import check_compiled, compile_pipeline

    compiled = compile_pipeline(args.image)
    if args.check:
        check_compiled(args.output, compiled)
        return {"pipeline": args.output, "stale": False}, f"{args.output} is up to date"
    storage.write(args.output, compiled)
    return {"pipeline": args.output}, f"compiled to {args.output}"
