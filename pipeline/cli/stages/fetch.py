"""The command `fetch`."""

import argparse
import dataclasses
import shlex
import time

from idxpipe.components.core.narration import say
from idxpipe.components.fetch.catalogue import DATA_SETS, Download
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_text

_SAY_SECONDS = 5.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add which data set, where to, and where from."""
    names = "{" + ",".join(DATA_SETS) + "}"
    what = "the data set; emnist is one archive of 562 MB"
    parser.add_argument("data_set", choices=DATA_SETS, metavar=names, help=what)
    what = (
        "local folder that gets the files; what is there already is checked and kept "
        "(default: data/ and the name)"
    )
    add_text(parser, "--output", "FOLDER", what)
    add_text(parser, "--mirror", "URL", "folder to ask first, such as one inside a firewall")


def run(args: argparse.Namespace) -> Outcome:
    """Fetch a data set."""
    from idxpipe.components.fetch.stage import fetch

    data_set = DATA_SETS[args.data_set]
    folder = args.output or f"data/{args.data_set}"
    made = fetch(data_set, folder, args.mirror, _Progress())
    settings = [word for setting in data_set.settings for word in ("--set", setting)]
    following = shlex.join(["idxpipe", "run", "--data", folder, *settings])
    lines = [
        *(f"{name}: fetched" for name in made.fetched),
        *(f"{name}: here already" for name in made.there),
        f"next: {following}",
        *([data_set.note] if data_set.note else []),
    ]
    return Outcome({**dataclasses.asdict(made), "next": following}, "\n".join(lines))


class _Progress:
    """Says now and then how much of a file is there."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, file: Download, done: int) -> None:
        if time.monotonic() - self._said > _SAY_SECONDS:
            self._said = time.monotonic()
            share = f" of {file.size / 1e6:.1f}" if file.size else ""
            say(f"{file.name}: {done / 1e6:.1f}{share} MB")
