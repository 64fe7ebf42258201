"""The command `report`: a page that compares runs."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root, add_text

NAME = "report"
HELP = "compare runs on one page: what differs, curves, accuracy and whether that is luck"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the runs, and where the page goes."""
    what = "a run: its id, the beginning of it, `latest`, or its folder; two or more"
    parser.add_argument("runs", nargs="+", metavar="RUN", help=what)
    add_text(parser, "--output", "FILE", "the page (default: ROOT/comparison.html)")
    add_root(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Write the page."""
    from idxpipe.components.core import storage
    from idxpipe.components.core.errors import UsageError
    from idxpipe.pipeline import state
    from idxpipe.pipeline.runs.compare import compare_page
    from idxpipe.pipeline.runs.reference import find_run

    records = [find_run(given, args.root) for given in args.runs]
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
