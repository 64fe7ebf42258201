"""The command `evaluate`, the gate included."""

import argparse
import dataclasses

from idxpipe.components.core import storage
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import (
    add_config,
    add_made,
    add_required,
    add_root,
    read_config,
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the model, the output and what passes."""
    what = "folder of a converted dataset, or a run: its id or `latest`, whose test set is taken"
    add_made(parser, "--records", what)
    add_made(parser, "--model", "folder of a SavedModel, the output of train, or a run")
    add_root(parser)
    add_required(parser, "--output", "folder that gets metrics.json and report.html")
    add_config(parser, EvaluateConfig, GateConfig, DeviceConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Evaluate a model."""
    from idxpipe.components.evaluate.stage import evaluate
    from idxpipe.components.gate.stage import gate
    from idxpipe.pipeline.runs.reference import METRICS, MODEL, TEST, resolve

    metrics, report = (storage.join(args.output, name) for name in ("metrics.json", "report.html"))
    args.baseline = args.baseline and resolve(args.baseline, args.root, METRICS)
    config, device = read_config(args, EvaluateConfig), read_config(args, DeviceConfig)
    records, model = resolve(args.records, args.root, TEST), resolve(args.model, args.root, MODEL)
    result = evaluate(records, model, metrics, report, config, device)
    gate(metrics, read_config(args, GateConfig))
    text = (
        f"accuracy {result.accuracy:.4f}, loss {result.loss:.4f} "
        f"on {result.num_examples} examples: {report}"
    )
    return Outcome({"metrics": metrics, "report": report, **dataclasses.asdict(result)}, text)
