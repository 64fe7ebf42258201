"""Which code a task runs: KFP embeds a thin wrapper, and what it imports is not in the spec."""

import hashlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

import idxpipe.components as stages

_IMPORT = re.compile(r"\b(?:from|import)\s+idxpipe\.components\.(\w+)")
_SUFFIXES = (".py", ".html", ".json")
_DISTRIBUTIONS = ("numpy", "tensorflow", "keras", "apache-beam")


def package_root() -> str:
    """Return the folder of the package `idxpipe.components` that tasks import."""
    return str(stages.__path__[0])


def identity(command: Iterable[str]) -> dict[str, Any]:
    """Return what has to be equal for a command to be the same work.

    Args:
        command: Elements of a container's command, with the component's source among them.

    Returns:
        The Python version, the versions of the libraries that compute, and a digest for each
        package of ours that the source imports.
    """
    found = {name for element in command for name in _IMPORT.findall(element)}
    packages = {name: _digest(package_root(), name) for name in sorted(found | {"core"})}
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "versions": {name: _version(name) for name in _DISTRIBUTIONS},
        "packages": packages if found else {},
    }


def tree_digest(folder: str) -> str:
    """Return a digest of the code below a folder, whatever else lies there."""
    return _digest_of(folder, _files(folder))


def _digest(root: str, package: str) -> str:
    paths = [os.path.join(root, "__init__.py"), *_files(os.path.join(root, package))]
    return _digest_of(root, paths)


def _digest_of(root: str, paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            content = stream.read()
        name = os.path.relpath(path, root)
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(package: str) -> list[str]:
    if os.path.isfile(package + ".py"):
        return [package + ".py"]
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(package)
        for name in names
        if name.endswith(_SUFFIXES)
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
