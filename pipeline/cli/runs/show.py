"""The command `show`: one run, with all that there is to know of it."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.runs.find import MEANS, add_places, find

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the run, and whether only its parameters are wanted."""
    what = f"{MEANS} (default: latest)"
    parser.add_argument("run_id", nargs="?", default="latest", metavar="RUN", help=what)
    add_places(parser)
    what = "print only the parameters that differ from the defaults, for `run --params FILE`"
    parser.add_argument("--params", action="store_true", help=what)


def run(args: argparse.Namespace) -> Outcome:
    """Show one run."""
    from idxpipe.pipeline.runs import listing

    record = find(args.run_id, args)
    if args.params:
        changed = listing.changed(record)
        # JSON is YAML, and needs no second opinion on what has to be quoted.
        lines = [f"{name}: {json.dumps(value)}" for name, value in changed.items()]
        return Outcome(changed, "\n".join(lines))
    return Outcome(record.to_json(), _text(record))


def _text(record: "RunRecord") -> str:
    from idxpipe.pipeline.cli.tables import table
    from idxpipe.pipeline.progress import WORDS
    from idxpipe.pipeline.runs import links, listing, reference
    from idxpipe.pipeline.state import duration

    stages = [task for task in record.tasks.values() if task.kind == "container"]
    accuracy = listing.accuracy(record)
    facts = {
        "run": record.run_id,
        "status": str(record.status),
        "began": listing.local_date(record.started),
        "took": duration(record.seconds),
        "went on from": record.earlier,
        "accuracy": None if accuracy is None else f"{accuracy:.4f}",
        "folder": record.folder if reference.is_recorded(record) else None,
        **dict(links.products(record)),
    }
    why = [
        (task.title or task.name, WORDS[task.status], duration(task.seconds), _why(task))
        for task in stages
    ]
    parts = [
        "\n".join(f"{name:<14}{value}" for name, value in facts.items() if value),
        table("stage", "status", "time", "why", rows=why),
        table("parameter", "value", rows=listing.changed(record).items()),
        table("artifact", "of", "files", "size", "uri", rows=_artifacts(record)),
        table("input", "fingerprint", rows=listing.fingerprints(record).items()),
        table("log", "uri", rows=[(t.title or t.name, t.log) for t in stages if t.log]),
    ]
    return "\n\n".join(part for part in parts if "\n" in part)


def _why(task: Any) -> str:
    said = "; ".join(task.reasons)
    if task.cached_from:
        return "; ".join(filter(None, [f"from run {task.cached_from}", said]))
    if task.error:
        return str(task.error).partition("\n")[0]
    return said


def _artifacts(record: "RunRecord") -> Iterator[tuple[str, str, str, str, str]]:
    from idxpipe.components.core.errors import IdxpipeError
    from idxpipe.pipeline.runs import listing

    for task in record.tasks.values():
        for name, artifact in task.outputs.artifacts.items():
            if task.kind != "container" or artifact.title.endswith("Metrics"):
                continue
            try:
                files = artifact.inventory()
            except IdxpipeError:
                # A job's bucket may be closed to whoever may look at the job.
                yield name, task.title or task.name, "?", "?", artifact.uri
                continue
            size = listing.size(sum(files.values())) if files else "gone"
            yield name, task.title or task.name, str(len(files)), size, artifact.uri
