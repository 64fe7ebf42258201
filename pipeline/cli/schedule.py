"""The command `schedule`: jobs that Vertex AI creates by itself, again and again."""

import argparse
import json
import re
from typing import Any

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.options import place_of, vertex_of
from idxpipe.pipeline.cli.submit import first_job, preflight
from idxpipe.pipeline.cli.wording import columns, flags, id_of

Result = tuple[Any, str]

_CRON = re.compile(r"((CRON_)?TZ=[A-Za-z0-9_+\-/]+ )?([0-9A-Za-z*/,\-]+ ){4}[0-9A-Za-z*/,\-]+")


def schedule(args: argparse.Namespace) -> Result:
    """Create, list or delete schedules."""
    vertex = vertex_of(args, place_of(args))
    if args.list:
        found = vertex.schedules()
        rows = [("schedule", "status", "cron", "next run", "name")]
        rows += [
            (
                id_of(entry),
                str(entry.get("state", "")).lower(),
                str(entry.get("cron", "")),
                str(entry.get("nextRunTime", ""))[:19],
                str(entry.get("displayName", "")),
            )
            for entry in found
        ]
        return found, columns(rows)
    if args.delete:
        vertex.delete_schedule(args.delete)
        return {"schedule": args.delete, "deleted": True}, f"deleted schedule {args.delete}"
    if not _CRON.fullmatch(args.cron):
        raise UsageError(
            "not a cron schedule",
            where="--cron",
            expected="minute hour day month weekday, such as '0 6 * * 1'",
            found=repr(args.cron),
        )
    if args.max_runs < 0:
        raise UsageError("not right", where="--max-runs", expected="0 or more", found=args.max_runs)
    job, name = first_job(args)
    if args.dry_run:
        body = vertex.schedule_of(job, args.cron, name, args.max_runs)
        return body, json.dumps(body, indent=2)
    preflight(args, vertex, job)
    made = vertex.create_schedule(job, args.cron, name, args.max_runs)
    lines = [
        f"schedule {id_of(made)}, next run {made.get('nextRunTime', 'not known')}",
        f"delete it: idxpipe schedule --delete {id_of(made)} {flags(vertex.place)}",
    ]
    return made, "\n".join(lines)
