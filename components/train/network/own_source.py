"""Where the code of a user's own network is: the MODULE of MODULE:FUNCTION, and what it imports."""

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def search_here() -> None:
    """Let Python find modules in the current folder, as it does for `python -m`."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def source_digest(model: str) -> str:
    """Return a digest of the file that MODULE:FUNCTION is in; empty where there is no such file.

    What the file imports is not in it.
    """
    path = _find(model)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""


def source_files(model: str) -> dict[str, Path]:
    """Return the file that MODULE:FUNCTION is in, and the user's own that it imports.

    Args:
        model: MODULE:FUNCTION.

    Returns:
        Paths by their name below the folder that MODULE is found in; files of installed packages,
        which have versions, are not among them.
    """
    path = _find(model)
    if not path:
        return {}
    depth = model.partition(":")[0].count(".") + (path.name == "__init__.py")
    root = path.parents[depth]
    found, left = {path: None}, [path]
    while left:
        for other in _imports(left.pop(), root):
            if other not in found:
                found[other] = None
                left.append(other)
    return {str(file.relative_to(root)): file for file in sorted(found)}


def _find(model: str) -> Path | None:
    search_here()
    try:
        found = importlib.util.find_spec(model.partition(":")[0])
    # Finding a module of a package runs the package's code, which may do anything.
    except Exception:
        return None
    path = Path((found and found.origin) or "")
    return path if path.is_file() else None


def _imports(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files below `root` that a module may import."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _module(root, name.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = root if not node.level else path.parents[node.level - 1]
            words = (node.module or "").split(".") if node.module else []
            yield from _module(base, words)
            for name in node.names:
                yield from _module(base, [*words, name.name])


def _module(base: Path, words: list[str]) -> Iterator[Path]:
    """Yield the file of a module, and those of the packages that it is in."""
    for count in range(1, len(words) + 1):
        place = base.joinpath(*words[:count])
        yield from (p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file())
