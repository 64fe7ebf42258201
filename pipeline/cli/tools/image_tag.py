"""The command `image-tag`."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_text


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the code."""
    add_text(parser, "--folder", "DIR", "the checkout (default: of this code)")


def run(args: argparse.Namespace) -> Outcome:
    """Print the content tag of the images."""
    from idxpipe.pipeline.preflight import image_tag

    tag = image_tag.image_tag(args.folder)
    return Outcome({"tag": tag}, tag)
