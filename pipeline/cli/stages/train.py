"""The command `train`."""

import argparse
import dataclasses

from idxpipe.components.core import storage
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import (
    add_config,
    add_made,
    add_required,
    add_root,
    read_config,
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dataset, the output and every hyperparameter."""
    what = (
        "folder of a converted dataset, or a run: its id or `latest`, whose training set is taken"
    )
    add_made(parser, "--records", what)
    add_root(parser)
    add_required(parser, "--output", "folder that gets model/, checkpoints/ and logs/")
    add_config(parser, TrainConfig, DeviceConfig)


def run(args: argparse.Namespace) -> Outcome:
    """Train a model, or go on training it."""
    from idxpipe.components.train.stage import train
    from idxpipe.pipeline.runs.reference import TRAINING, resolve

    names = ("model", "checkpoints", "logs")
    model, checkpoints, logs = (storage.join(args.output, name) for name in names)
    config, device = read_config(args, TrainConfig), read_config(args, DeviceConfig)
    records = resolve(args.records, args.root, TRAINING)
    result = train(records, model, checkpoints, logs, config, device)
    data = {"model": model, **dataclasses.asdict(result)}
    return Outcome(data, f"step {result.step}, loss {result.loss:.4f}: {model}")
