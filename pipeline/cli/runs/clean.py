"""The command `clean`: throws away old runs, and what no run that is kept uses."""

import argparse
from typing import TYPE_CHECKING

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_root, add_text

if TYPE_CHECKING:
    from idxpipe.pipeline.runs.clean import Choice


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add which runs go."""
    add_root(parser)
    what = "keep the N newest runs; without any of these flags, no run goes"
    parser.add_argument("--keep-last", type=int, default=None, metavar="N", help=what)
    add_text(parser, "--older-than", "AGE", "runs that began longer ago go: 30d, 12h, 5m")
    what = "runs that failed or were cancelled go"
    parser.add_argument("--failed", action="store_true", help=what)
    parser.add_argument("--yes", action="store_true", help="delete it; by default it is only told")


def run(args: argparse.Namespace) -> Outcome:
    """Tell what would go, or delete it."""
    from idxpipe.components.core.errors import UsageError
    from idxpipe.pipeline.runs.clean import Choice, parse_age

    if args.keep_last is not None and args.keep_last < 0:
        raise UsageError(
            "invalid value", where="--keep-last", expected="at least 0", found=args.keep_last
        )
    age = parse_age(args.older_than) if args.older_than else None
    return throw_away(args, Choice(args.keep_last, age, args.failed))


def throw_away(args: argparse.Namespace, choice: "Choice") -> Outcome:
    """Tell what would go with some runs, or delete it."""
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.runs import clean
    from idxpipe.pipeline.runs.listing import size

    found = clean.waste(args.root, choice)
    total = size(sum(one.size for one in found))
    rows = [(one.kind, size(one.size), one.why, one.uri) for one in found]
    lines = [table("kind", "size", "why", "uri", rows=rows), ""] if rows else []
    if args.yes:
        clean.throw_away(found)
        lines.append(f"{total} freed")
    elif rows:
        lines.append(f"{total} would be freed: --yes deletes it")
    else:
        lines.append("nothing would go")
    data = {"deleted": args.yes, "waste": [one.to_json() for one in found]}
    return Outcome(data, "\n".join(lines))
