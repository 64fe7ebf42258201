"""Whose commands a rerun executes: those of a record are a program, and a record may be anybody's.

Whoever can write below a root in a bucket, or in a folder that is shared, could otherwise have the
machine of whoever reruns.
"""

import hashlib
import os
import stat

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline.compile import compiled_file
from idxpipe.pipeline.spec.graph import Container, Pipeline
from idxpipe.pipeline.spec.parse import load
from idxpipe.pipeline.state import RunRecord

FILES = ("whole.yaml", "pipeline.yaml")


def pipeline_of(record: RunRecord) -> Pipeline:
    """Return the whole pipeline that a run, or what it went on from, is a run of, as recorded.

    Raises:
        DataError: If it is not there, or not as it was.
    """
    whole, own = (storage.join(record.folder, name) for name in FILES)
    if not storage.exists(whole) and not record.whole:
        return _as_recorded(own, record.digest)
    # Records of earlier versions know no digest of it.
    return _as_recorded(whole, record.whole)


def _as_recorded(uri: str, digest: str | None) -> Pipeline:
    found = hashlib.sha256(storage.read_document(uri)).hexdigest()
    if digest and found != digest:
        raise DataError(
            "this run's pipeline is damaged",
            where=uri,
            expected=f"SHA-256 {digest}, as in the run's record",
            found=f"SHA-256 {found}",
            remedy="--pipeline FILE runs your own on the run's artifacts",
        )
    return load(uri)


def trusted_pipeline(record: RunRecord, *, trust: bool = False) -> Pipeline:
    """Return the recorded pipeline, if this user alone wrote it, or it runs what the one here runs.

    Args:
        record: The run.
        trust: Return it in any case.

    Raises:
        UsageError: If it may be somebody else's, and runs something else than the pipeline here.
    """
    recorded = pipeline_of(record)
    if trust or _is_ours_alone(record.folder):
        return recorded
    own = compiled_file()
    here = load(own) if storage.exists(own) else None
    found = "; ".join(_differences(recorded, here)) if here else f"no {own} here"
    if found:
        raise UsageError(
            "this run's recorded commands may be somebody else's",
            where=storage.join(record.folder, "pipeline.yaml"),
            expected=f"stages that run what those of {os.path.abspath(own)} run",
            found=found,
            remedy="--pipeline FILE runs your own on the run's artifacts; --trust-record runs the "
            "recorded commands on this machine",
        )
    return recorded


def _is_ours_alone(folder: str) -> bool:
    """Tell whether nobody but this user could have written what lies in a run's folder."""
    if not storage.is_local(folder):
        return False
    path = storage.local_path(folder)
    # Of a folder that others may write, a file may have been replaced.
    parts = [os.path.join(path, name) for name in (*FILES, "run.json")]
    parts += [path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    for part in parts:
        try:
            found = os.stat(part)
        except FileNotFoundError:
            continue
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_uid != os.getuid() or (found.st_mode & stat.S_IWOTH and not sticky):
            return False
    return True


def _differences(recorded: Pipeline, here: Pipeline) -> list[str]:
    """Return what the recorded stages execute that those here do not."""
    found = []
    for task in recorded.tasks.values():
        if not isinstance(task.executor, Container):
            continue
        ours = here.tasks.get(task.name)
        if ours is None or not isinstance(ours.executor, Container):
            found.append(f"{task.name} is not in yours")
            continue
        parts = [
            name
            for name in ("image", "command", "args", "env")
            if getattr(task.executor, name) != getattr(ours.executor, name)
        ]
        if parts:
            found.append(f"{task.name} has a different {' and '.join(parts)}")
    return found
