"""The command `report`: a page that compares runs."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_text
from idxpipe.pipeline.cli.runs.find import MEANS, add_places, find


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the runs, and where the page goes."""
    what = f"a run: {MEANS}; two or more"
    parser.add_argument("runs", nargs="+", metavar="RUN", help=what)
    add_text(parser, "--output", "FILE", "the page (default: ROOT/comparison.html)")
    add_places(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Write the page."""
    from idxpipe.components.core import storage
    from idxpipe.components.core.errors import UsageError
    from idxpipe.pipeline import state
    from idxpipe.pipeline.runs.compare import compare_page

    records = [find(given, args) for given in args.runs]
    ids = [record.run_id for record in records]
    if len(set(ids)) < max(2, len(ids)):
        raise UsageError(
            "nothing to compare",
            where="idxpipe report",
            expected="two runs or more, each once",
            found=", ".join(ids),
            remedy="see: idxpipe runs",
        )
    page = state.absolute(args.output or storage.join(args.root, "comparison.html"))
    storage.write(page, compare_page(records, page).encode())
    return Outcome({"page": page, "runs": ids}, page)
