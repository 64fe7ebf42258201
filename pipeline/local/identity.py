"""What a task's work depends on, part by part, and what differs between two of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import MANIFEST
from idxpipe.components.core.metrics import METRICS
from idxpipe.components.train.network.own_source import source_files
from idxpipe.pipeline.catalogue import affects_output, shown
from idxpipe.pipeline.local import code
from idxpipe.pipeline.local.checksums import READ_BYTES, checksum
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.spec.graph import Container, Task
from idxpipe.pipeline.spec.params import whole

VERSION = 2
Parts = Mapping[str, Any]

_FINGERPRINT = "_fingerprint"
# metrics.json, or its folder, by the parameter that names it.
_FILES = ("baseline",)


def parts_of(task: Task, container: Container, inputs: Values) -> Parts:
    """Return all that a task's result depends on; neither its name nor its pipeline's counts.

    Args:
        task: The task.
        container: Its executor.
        inputs: Its parameters and artifacts.

    Raises:
        IdxpipeError: If an input cannot be read.
    """
    command = [*container.command, *container.args]
    packages = code.imported(command)
    parts = {
        "parameters": _parameters(inputs.parameters, ours=bool(packages)),
        "inputs": {
            name: {"type": artifact.type, "metadata": artifact.metadata, **content_of(artifact)}
            for name, artifact in inputs.artifacts.items()
        },
        "code": {**code.sources(packages), **_network(inputs.parameters.get("architecture", ""))},
        "versions": code.versions(packages),
        "component": {
            "interface": _digest(dict(task.component.definition)),
            "command": _digest(command),
        },
        "image": container.image,
        "env": dict(container.env),
    }
    # Numbers in metadata come back from a compiled pipeline as doubles.
    plain: Parts = whole(json.loads(json.dumps(parts, default=dict)))
    return plain


def key_of(parts: Parts) -> str:
    """Return the name of a task's work: equal parts, equal name."""
    return _digest({"version": VERSION, **parts})[:20]


def differences(before: Parts, now: Parts) -> list[str]:
    """Return what differs between the parts of two tasks, each in a few words.

    Source files come last: of many reasons only the first are shown.
    """
    return [
        *_changed_parameters(before["parameters"], now["parameters"]),
        *(f"{name} {how}" for name, how in _changes(before["inputs"], now["inputs"])),
        *_changed(before["versions"], now["versions"]),
        *([] if before["component"] == now["component"] else ["its component changed"]),
        *(
            []
            if before["image"] == now["image"]
            else [f"image {before['image']} -> {now['image']}"]
        ),
        *(
            f"environment variable {name} {how}"
            for name, how in _changes(before["env"], now["env"])
        ),
        *(f"{name} {how}" for name, how in _changes(before["code"], now["code"])),
    ]


def content_of(artifact: Artifact) -> dict[str, Any]:
    """Return what tells the content of an artifact apart from any other, wherever it lies.

    Raises:
        IdxpipeError: If it cannot be read.
    """
    files = artifact.inventory()
    found: dict[str, Any] = {"files": len(files), "bytes": sum(files.values())}
    if MANIFEST in files:
        # Its manifest has the checksums of all shards.
        manifest = checksum(storage.join(artifact.uri, MANIFEST))
        return {**found, "digest": _digest([files, manifest])}
    # Above that, what is in an artifact of somebody else's is told by where it is.
    if found["bytes"] > READ_BYTES:
        return {**found, "digest": _digest(files), "uri": artifact.uri}
    sums = {
        name: checksum(storage.join(artifact.uri, name) if name else artifact.uri) for name in files
    }
    return {**found, "digest": _digest(sums)}


def _parameters(values: Mapping[str, Any], *, ours: bool) -> dict[str, Any]:
    if not ours:
        return dict(values)
    # Where a fingerprint tells the content, the path to it is no reason to work again.
    told = {name.removesuffix(_FINGERPRINT) for name in values if name.endswith(_FINGERPRINT)}
    kept = {n: v for n, v in values.items() if affects_output(n) and n not in told}
    for name in _FILES:
        if kept.get(name):
            uri = str(kept[name])
            files = [file for file in (uri, storage.join(uri, METRICS)) if storage.exists(file)]
            kept[name] = f"crc32c {checksum(files[0]):08x}" if files else uri
    return kept


def _network(name: object) -> dict[str, str]:
    """Return the digests of the code of a user's own network, if the train stage is given one."""
    if not isinstance(name, str) or ":" not in name:
        return {}
    return {path: code.digest_of(file) for path, file in source_files(name).items()}


def _changed_parameters(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name.endswith(_FINGERPRINT):
            yield f"{name.removesuffix(_FINGERPRINT)} {_crc(old)} -> {_crc(new)}"
        else:
            was = shown(name, old, recipe=before.get("recipe"))
            yield f"{name} {was} -> {shown(name, new, recipe=now.get('recipe'))}"


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"{name} {before.get(name) or 'none'} -> {now.get(name) or 'none'}"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            yield name, "is new"
        elif name not in now:
            yield name, "is gone"
        elif before[name] != now[name]:
            yield name, "changed"


def _crc(fingerprint: object) -> str:
    size, _, crc = str(fingerprint).partition("-")
    return f"crc32c {crc} ({size} bytes)" if crc else str(fingerprint)


def _digest(value: object) -> str:
    text = json.dumps(whole(value), sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
