"""Which code a task runs: KFP embeds a thin wrapper, and what it imports is not in the spec."""

import ast
import hashlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dis import opmap
from functools import cache
from pathlib import Path
from types import CodeType

import idxpipe.components as stages
from idxpipe.components.core import host, storage
from idxpipe.components.core.errors import IdxpipeError

_IMPORT = re.compile(r"\b(?:from|import)\s+idxpipe\.components\.(\w+)")
_DIGITS = 16
_NOP = opmap["NOP"]
_SUFFIXES = (".py", ".html", ".json")
_ALL = ("numpy", "tensorflow", "keras", "apache-beam")
# The libraries that compute what a stage of ours writes.
_DISTRIBUTIONS = {
    "validate": ("numpy",),
    "convert": ("numpy", "apache-beam"),
    "train": ("numpy", "tensorflow", "keras"),
    "evaluate": ("numpy", "tensorflow", "keras"),
    "gate": ("numpy",),
    "register": (),
}


def package_root() -> str:
    """Return the folder of the package `idxpipe.components` that tasks import."""
    return str(stages.__path__[0])


def imported(command: Iterable[str]) -> frozenset[str]:
    """Return the packages of ours that a command imports.

    Args:
        command: Elements of a container's command, with the component's source among them.
    """
    found = {name for element in command for name in _IMPORT.findall(element)}
    return frozenset(found | {"core"}) if found else frozenset()


def sources(packages: Iterable[str]) -> dict[str, str]:
    """Return a digest of each source file of some packages of ours, by its name in the checkout."""
    root = package_root()
    paths = [os.path.join(root, "__init__.py")] if packages else []
    for package in packages:
        paths += _files(os.path.join(root, package))
    named = {os.path.join("components", os.path.relpath(path, root)): path for path in paths}
    found = {name: digest_of(path) for name, path in sorted(named.items())}
    _kept().keep()
    return found


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that compute what `packages` write."""
    known = [_DISTRIBUTIONS[name] for name in packages if name in _DISTRIBUTIONS]
    names = sorted(set().union(*known)) if known else _ALL
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, **{name: _version(name) for name in names}}


def tree_digest(folder: str) -> str:
    """Return a digest of the code below a folder, whatever else lies there."""
    digest = hashlib.sha256()
    for path in _files(folder):
        with open(path, "rb") as stream:
            content = stream.read()
        name = os.path.relpath(path, folder)
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def digest_of(path: str | os.PathLike[str]) -> str:
    """Return a digest of what a source file does: comments, docstrings and layout do not count."""
    status = os.stat(path)
    return _digest_of(os.fspath(path), status.st_mtime_ns, status.st_size)


@cache
def _digest_of(path: str, _mtime: int, _size: int) -> str:
    with open(path, "rb") as stream:
        content = stream.read()
    if not path.endswith(".py"):
        return _hex(content)
    kept = _kept()
    known = kept.digests.get(_hex(content))
    if known is None:
        meaning = content
        # What cannot be compiled will fail where it is imported.
        with suppress(SyntaxError, ValueError):
            meaning = _meaning(content)
        known = kept.digests[_hex(content)] = _hex(meaning)
    return known


class _Kept:
    """Digests of what sources do, by those of the sources, kept on this machine.

    A run of which everything is cached would spend a tenth of its time compiling.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self.digests: dict[str, str] = {}
        with suppress(OSError, ValueError):
            with open(path or os.devnull) as stream:
                value = json.load(stream)
            if isinstance(value, dict):
                self.digests = {key: str(digest) for key, digest in value.items()}
        self._known = len(self.digests)

    def keep(self) -> None:
        """Keep those that are new."""
        if self._path and len(self.digests) > self._known:
            with suppress(OSError, IdxpipeError):
                storage.write(self._path, json.dumps(self.digests).encode())
            self._known = len(self.digests)


@cache
def _kept() -> _Kept:
    folder = host.cache_folder("sources")
    # What a source compiles to is Python's matter, and what of that counts is ours.
    rule = _hex(f"{sys.version}\0{Path(__file__).read_text()}".encode())
    return _Kept(folder and os.path.join(folder, f"{rule}.json"))


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _meaning(source: bytes) -> bytes:
    """Return what a module compiles to, without positions and docstrings."""
    # Compiling takes a fifth of the time that comparing the parsed trees takes, but leaves out the
    # docstrings only with the assertions.
    if b"assert" in source:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_docstring(body[0]):
                del body[0]
        return ast.dump(tree).encode()
    return "\n".join(_words(compile(source, "", "exec", optimize=2))).encode()


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _words(compiled: CodeType) -> Iterator[str]:
    yield compiled.co_qualname
    code = compiled.co_code
    # What a docstring leaves.
    yield "".join(code[i : i + 2].hex() for i in range(0, len(code), 2) if code[i] != _NOP)
    yield repr((compiled.co_names, compiled.co_varnames, compiled.co_freevars))
    yield repr((compiled.co_argcount, compiled.co_kwonlyargcount, compiled.co_flags))
    yield compiled.co_exceptiontable.hex()
    for constant in compiled.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))
        else:
            yield repr(constant)


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
