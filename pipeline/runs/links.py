"""Short names for what a run made, beside its record: links, or in a bucket files with the URI.

ROOT/latest                      the newest run's folder
ROOT/runs/RUN_ID/model           and so on, as `NAMES` has them
"""

import os
import posixpath
from collections.abc import Iterator
from contextlib import suppress

from idxpipe.components.core import storage
from idxpipe.pipeline.state import RunRecord

# Of our own pipeline: link, stage, output.
NAMES = (
    ("model", "train", "model"),
    ("tensorboard", "train", "logs"),
    ("report.html", "evaluate", "report"),
    ("data.html", "validate", "page"),
)


def products(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Yield the short name and the URI of each thing that a run made and people look at."""
    for link, stage, output in NAMES:
        task = record.tasks.get(stage)
        artifact = task and task.outputs.artifacts.get(output)
        if artifact:
            yield link, artifact.uri


def link(record: RunRecord) -> None:
    """Make the links of a run that ended. Where there can be none, there are none."""
    for name, uri in products(record):
        _link(storage.join(record.folder, name), uri)
    _link(storage.join(record.root, "latest"), record.folder)


def relative(folder: str, uri: str) -> str:
    """Return how a page in `folder` links to `uri`."""
    if storage.is_local(folder) and storage.is_local(uri):
        return posixpath.relpath(storage.local_path(uri), storage.local_path(folder))
    return uri.removeprefix(f"{folder.rstrip('/')}/")


def _link(place: str, uri: str) -> None:
    if not storage.is_local(place):
        storage.write(place, f"{uri}\n".encode())
        return
    path = storage.local_path(place)
    target = uri
    if storage.is_local(uri):
        # Relative: a root is moved with its links.
        target = os.path.relpath(storage.local_path(uri), os.path.dirname(path))
    # Some file systems have no links, and a file of somebody else's is left alone.
    with suppress(OSError):
        if os.path.islink(path):
            os.unlink(path)
        os.symlink(target, path)
