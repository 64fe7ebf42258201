"""Local paths of remote artifacts, and what KFP's launcher copies to and from them.

Source: kubeflow/pipelines, backend/src/v2/component/launcher_v2.go: LocalPathForURI,
downloadArtifacts, uploadOutputArtifacts. Its /gcs, /s3 and /minio lie in the scratch folder of the
task here, to where mounts.py moves them for KFP's executor.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.transfer import download, upload
from idxpipe.pipeline.spec.artifact import Artifact
from idxpipe.pipeline.spec.graph import Container

_FOLDERS = {"gs": "gcs", "s3": "s3", "minio": "minio"}
# A step with this in its command reads and writes by URI where it can.
_BY_URI = "idxpipe.components.core.artifacts"


def path_of(uri: str, mounts: str) -> str:
    """Return the local path of an artifact: itself where it is local, or no bucket's."""
    folder = _FOLDERS.get(storage.scheme(uri))
    return f"{mounts}/{folder}/{uri.partition('://')[2]}" if folder else uri


def home_of(folder: str, mounts: str) -> str:
    """Return the local folder that stands for a task's folder."""
    if storage.is_local(folder):
        return storage.local_path(folder)
    return path_of(folder, mounts) if is_mounted(folder) else f"{mounts}/home"


def is_mounted(uri: str) -> bool:
    """Tell whether the local path of an artifact is that of a copy."""
    return storage.scheme(uri) in _FOLDERS


def fetch(container: Container, artifacts: Mapping[str, Artifact], mounts: str) -> None:
    """Copy the input artifacts that a step looks for at their local paths.

    Args:
        container: The step.
        artifacts: Its inputs.
        mounts: Folder of the local paths.

    Raises:
        IdxpipeError: As `transfer.download`.
    """
    words = "\0".join([*container.command, *container.args])
    if _BY_URI in words:
        return
    for name, artifact in artifacts.items():
        # KFP's executor gets the whole message, and its functions ask for `.path`.
        wanted = "{{$}}" in words or f"inputs.artifacts['{name}'].path" in words
        if wanted and is_mounted(artifact.uri):
            path = path_of(artifact.uri, mounts)
            if storage.exists(artifact.uri):
                folder, _, file = artifact.uri.rpartition("/")
                download(folder, os.path.dirname(path), [file])
            else:
                download(artifact.uri, path)


def prepare(message: Mapping[str, Any], mounts: str) -> None:
    """Make the folders that the output artifacts of an ExecutorInput are written into."""
    for listed in message["outputs"].get("artifacts", {}).values():
        for entry in listed["artifacts"]:
            if is_mounted(entry["uri"]):
                os.makedirs(os.path.dirname(path_of(entry["uri"], mounts)), exist_ok=True)


def send(artifacts: Iterable[Artifact], mounts: str) -> None:
    """Copy to their URIs what a step has left at the local paths of its outputs.

    Raises:
        IdxpipeError: As `transfer.upload`.
    """
    for artifact in artifacts:
        if not is_mounted(artifact.uri):
            continue
        path = path_of(artifact.uri, mounts)
        if os.path.isfile(path):
            storage.put(path, artifact.uri)
        elif os.path.isdir(path):
            upload(path, artifact.uri, storage.list_files(path))


def paths_of(message: Mapping[str, Any], mounts: str) -> dict[str, str]:
    """Return the local paths of an ExecutorInput's artifacts by URI, where they differ."""
    return {
        entry["uri"]: path_of(entry["uri"], mounts)
        for side in ("inputs", "outputs")
        for listed in message[side].get("artifacts", {}).values()
        for entry in listed["artifacts"]
        if is_mounted(entry["uri"])
    }
