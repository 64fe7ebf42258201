"""The command `schedule`: jobs that Vertex AI creates by itself, again and again."""

import argparse
import functools
import json
import re
from typing import TYPE_CHECKING

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.flags import add_text
from idxpipe.pipeline.cli.services.flags import add_dry_run, add_job, add_vertex
from idxpipe.pipeline.cli.services.on_vertex import vertex_at
from idxpipe.pipeline.cli.services.submit_vertex import first_job, preflight
from idxpipe.pipeline.cli.services.wording import flags, id_of

if TYPE_CHECKING:
    from idxpipe.pipeline.vertex.client import Vertex

_NUMBERS = re.compile(r"(\*|\?|(\d+)(-(\d+))?)(/(\d+))?")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# The least and the most of each field, as crontab(5) has them, and the names it takes.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)

_CRON = re.compile(r"((CRON_)?TZ=[A-Za-z0-9_+\-/]+ )?([0-9A-Za-z*/,\-]+ ){4}[0-9A-Za-z*/,\-]+")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add when, or what else is done with schedules, and the job."""
    add_vertex(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    when = (
        "when: minute, hour, day, month, weekday; 'TZ=Europe/Zurich 0 6 * * 1' for a time "
        "zone other than UTC"
    )
    add_text(what, "--cron", "CRON", when)
    what.add_argument("--list", action="store_true", help="list the schedules")
    add_text(what, "--delete", "ID", "delete a schedule")
    add_job(parser)
    limit = "stop after N runs (default: never)"
    parser.add_argument("--max-runs", type=int, default=0, metavar="N", help=limit)
    add_dry_run(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Create, list or delete schedules."""
    vertex = vertex_at(args.project, args.region, args.endpoint)
    if args.list:
        return _list(vertex)
    if args.delete:
        vertex.delete_schedule(args.delete)
        data = {"schedule": args.delete, "deleted": True}
        return Outcome(data, f"deleted schedule {args.delete}")
    _check(args)
    job, name = first_job(args)
    if args.dry_run:
        body = vertex.schedule_of(job, args.cron, name, args.max_runs)
        return Outcome(body, json.dumps(body, indent=2))
    preflight(args, vertex, job)
    made = vertex.create_schedule(job, args.cron, name, args.max_runs)
    lines = [
        f"schedule {id_of(made)}, next run {made.get('nextRunTime', 'not known')}",
        f"delete it: idxpipe schedule --delete {id_of(made)} {flags(vertex.place)}",
    ]
    return Outcome(made, "\n".join(lines))


def _list(vertex: "Vertex") -> Outcome:
    from idxpipe.pipeline.cli.tables import table

    found = vertex.schedules()
    rows = [
        (
            id_of(entry),
            str(entry.get("state", "")).lower(),
            str(entry.get("cron", "")),
            str(entry.get("nextRunTime", ""))[:19],
            str(entry.get("displayName", "")),
        )
        for entry in found
    ]
    return Outcome(found, table("schedule", "status", "cron", "next run", "name", rows=rows))


def _numbered(text: str, name: tuple[int, str]) -> str:
    return text.replace(name[1], str(name[0]))


def _out_of_range(cron: str) -> str:
    """Return the first field of a schedule that no time can be, and why; empty if there is none."""
    fields = cron.split()[-len(_FIELDS) :]
    for text, (name, least, most, names) in zip(fields, _FIELDS, strict=True):
        for part in text.lower().split(","):
            numbers = functools.reduce(_numbered, enumerate(names, least), part)
            match = _NUMBERS.fullmatch(numbers)
            bounds = [int(n) for n in match.group(2, 4) if n] if match else []
            step = int(match[6]) if match and match[6] else 1
            good = match and all(least <= n <= most for n in bounds) and bounds == sorted(bounds)
            if not good or not 1 <= step <= most:
                return f"{name} {text}, which is {least} to {most}"
    return ""


def _check(args: argparse.Namespace) -> None:
    wrong = _out_of_range(args.cron) if _CRON.fullmatch(args.cron) else ""
    if wrong:
        raise UsageError(
            "no time is ever that",
            where="--cron",
            expected="minute 0 to 59, hour 0 to 23, day 1 to 31, month 1 to 12, weekday 0 to 7",
            found=wrong,
        )
    if not _CRON.fullmatch(args.cron):
        raise UsageError(
            "not a cron schedule",
            where="--cron",
            expected="minute hour day month weekday, such as '0 6 * * 1'",
            found=repr(args.cron),
        )
    if args.max_runs < 0:
        raise UsageError(
            "invalid value", where="--max-runs", expected="0 or more", found=args.max_runs
        )
