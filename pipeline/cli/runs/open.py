"""The command `open`: a run's page in the browser."""

import argparse

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_run


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run."""
    add_run(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Open the page of a run."""
    import webbrowser

    from idxpipe.components.core import storage
    from idxpipe.components.core.errors import UsageError
    from idxpipe.pipeline.runs.reference import find_run

    record = find_run(args.run_id, args.root)
    page = storage.join(record.folder, "index.html")
    if not storage.exists(page):
        raise UsageError(
            "this run has no page",
            where=record.run_id,
            found=f"a run that is {record.status}",
            remedy="idxpipe show tells how far it is, and what it has made; a run that has ended "
            "has a page",
        )
    # One in a bucket is opened by whoever is signed in there.
    address = page if "://" in page else f"file://{page}"
    opened = not page.startswith(("gs://", "s3://")) and webbrowser.open(address)
    return Outcome({"page": page, "opened": opened}, page)
