"""The command `plan`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_minutes, add_pipeline, read_minutes

NAME = "plan"
HELP = "estimate what a run on Vertex AI costs, from a dated price table"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the pipeline and the durations."""
    add_pipeline(parser)
    add_minutes(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Estimate the cost of a compiled pipeline."""
    from idxpipe.pipeline.compile import PIPELINE_FILE
    from idxpipe.pipeline.preflight import prices
    from idxpipe.pipeline.spec.parse import load

    pipeline = load(args.pipeline or PIPELINE_FILE)
    estimate = prices.plan(pipeline, read_minutes(args.minutes))
    return Outcome(estimate.to_json(), str(estimate))
