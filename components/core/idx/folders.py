"""What is in the folder that a data set is looked for in, and in the folders below it."""

import difflib
import os
from collections.abc import Callable, Iterator

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError

_DEPTH = 2
# Where there are more, nobody keeps a data set there.
_MOST_FOLDERS = 200
_SHOWN = 8
_PACKED = (".zip", ".xz", ".npz", ".tar", ".tgz", ".tar.gz", ".rar", ".7z", ".bz2", ".zst")
NOWHERE = "no such folder"
_OTHER_FORMATS = (".npz", ".npy", ".csv", ".png", ".jpg", ".jpeg")

Found = tuple[str, dict[str, str]]


def names_in(folder: str) -> list[str]:
    """Return the names of the files in a folder, without what macOS puts beside each of them."""
    return [name for name in storage.list_names(folder) if not name.startswith("._")]


def walk(folder: str, depth: int = 0) -> Iterator[str]:
    """Yield a folder and those in it, two levels down."""
    yield folder
    if depth < _DEPTH:
        for name in storage.list_folders(folder)[:_MOST_FOLDERS]:
            if not name.startswith((".", "_")):
                yield from walk(storage.join(folder, name), depth + 1)


def similar_folder(data: str) -> str | None:
    """Return the path of a folder whose name is nearly that of one that is not there."""
    parent, _, name = storage.local_path(data).rstrip("/").rpartition("/")
    try:
        beside = [entry.name for entry in os.scandir(parent or ".") if entry.is_dir()]
    except OSError:
        return None
    near = difflib.get_close_matches(name, beside, 1)
    return os.path.join(parent, near[0]) if near else None


def names_below(data: str) -> list[str]:
    """Return the names of the files in the first folder below `data` that has some."""
    return next(filter(None, map(names_in, walk(data))), [])


def sets_below(data: str, complete: Callable[[list[str]], dict[str, str]]) -> list[Found]:
    """Return the folders below `data`, two levels down, that hold a data set, with its files' URIs.

    Args:
        data: A folder.
        complete: From names of files, relative to a folder, to that of each role; nothing if one
            is missing.
    """
    found = []
    for folder in walk(data):
        inside = storage.list_folders(folder)[:_MOST_FOLDERS]
        # A folder by the name of the one file in it.
        twins = [
            f"{name}/{name}" for name in inside if name in names_in(storage.join(folder, name))
        ]
        names = complete(twins) or (complete(names_in(folder)) if folder != data else {})
        if names:
            found.append((folder, {role: storage.join(folder, n) for role, n in names.items()}))
    return found


def several_sets(data: str, folders: list[str]) -> DataError:
    """Return the error that one of several data sets is to be named."""
    return DataError(
        "several data sets are below this folder",
        where=data,
        expected="the folder of one data set",
        found=listed(folders),
        remedy=f"give one of them as data, e.g. {folders[0]}",
    )


def what_is_here(data: str, names: list[str]) -> str:
    """Say what is in a folder, other than what was looked for.

    Args:
        data: The folder.
        names: Of the files in it.
    """
    if names:
        return listed(names)
    folders = storage.list_folders(data)
    if folders:
        return f"only folders: {listed(folders)}"
    if not storage.is_local(data):
        return "no such folder, or an empty one"
    path = storage.local_path(data)
    if os.path.isdir(path):
        return "an empty folder"
    if os.path.exists(path):
        return "a file, not a folder"
    return NOWHERE


def advice(names: list[str]) -> str:
    """Say what is to be done with files that hold data in another way; empty if none does."""
    lower = [name.lower() for name in names]
    for ending in _OTHER_FORMATS:
        if any(name.endswith(ending) for name in lower):
            return f"{ending} files become IDX files with `idxpipe import`"
    for ending in _PACKED:
        if any(name.endswith(ending) for name in lower):
            return f"{ending} files are to be unpacked first"
    return ""


def listed(names: list[str]) -> str:
    """Return some of the names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
