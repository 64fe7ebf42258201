"""Where a stage reads and writes an artifact that Kubeflow Pipelines hands it."""

import os
from typing import Protocol

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError


class Artifact(Protocol):
    """What is used of `kfp.dsl.Artifact`."""

    uri: str

    @property
    def path(self) -> str:
        """Where the platform keeps it on this machine."""


def to_read(artifact: Artifact) -> str:
    """Return where to read an input artifact: its URI, or the local path of the platform's copy.

    By URI wherever this process can read it: a copy, or a FUSE mount, starves a training. Elsewhere
    by the path to which KFP's launcher has downloaded it, with credentials that only it has: those
    of minio:// always, those of s3:// and gs:// where a secret is configured for the pipeline root.

    Source: downloadArtifacts and LocalPathForURI of kubeflow/pipelines,
    backend/src/v2/component/launcher_v2.go.
    """
    path = artifact.path
    if path == artifact.uri or not os.path.exists(path) or _reached(artifact.uri, write=False):
        return artifact.uri
    return path


def to_write(artifact: Artifact) -> str:
    """Return where to write an output artifact: its URI, or the local path to upload from.

    By URI wherever this process can write there: files appear whole there, and are there to go on
    from after a failure. Elsewhere by the path from which KFP's launcher uploads what the step has
    left, if the step ends well.

    Source: prepareOutputFolders and uploadOutputArtifacts of launcher_v2.go.
    """
    path = artifact.path
    prepared = os.path.isdir(os.path.dirname(path))
    if path == artifact.uri or not prepared or _reached(artifact.uri, write=True):
        return artifact.uri
    return path


def _reached(uri: str, *, write: bool) -> bool:
    try:
        storage.check_access(uri, write=write)
    except IdxpipeError:
        return False
    return True
