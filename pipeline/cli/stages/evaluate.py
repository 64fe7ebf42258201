"""The command `evaluate`, the gate included."""

import argparse
import dataclasses

from idxpipe.components.core import storage
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_config, add_required, read_config

NAME = "evaluate"
HELP = "evaluate a model on a dataset"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the model, the output and what passes."""
    add_required(parser, "--records", "folder of a converted dataset")
    add_required(parser, "--model", "folder of a SavedModel, or the output of train")
    add_required(parser, "--output", "folder that gets metrics.json and report.html")
    add_config(parser, EvaluateConfig, GateConfig, DeviceConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Evaluate a model."""
    from idxpipe.components.evaluate.stage import evaluate
    from idxpipe.components.gate.stage import gate

    metrics, report = (storage.join(args.output, name) for name in ("metrics.json", "report.html"))
    config, device = read_config(args, EvaluateConfig), read_config(args, DeviceConfig)
    result = evaluate(args.records, args.model, metrics, report, config, device)
    gate(metrics, read_config(args, GateConfig))
    text = (
        f"accuracy {result.accuracy:.4f}, loss {result.loss:.4f} "
        f"on {result.num_examples} examples: {report}"
    )
    return Outcome({"metrics": metrics, "report": report, **dataclasses.asdict(result)}, text)
