"""Fetch a data set: file by file, each checked before it is put in place."""

import dataclasses
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from urllib.parse import urlsplit

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, IdxpipeError, UsageError
from idxpipe.components.core.printable import printable
from idxpipe.components.fetch.catalogue import DataSet, Download
from idxpipe.components.fetch.download import described, digest_of, download

# Of an archive nothing else is wanted, and nothing that has a folder in its name.
_MEMBER = re.compile(
    r"(?:gzip/)?(emnist-\w+-(?:(?:train|test)-(?:images|labels)-idx[13]-ubyte\.gz|mapping\.txt))"
)
# The files of an archive have no checksums of their own, so that it says which were unpacked.
_UNPACKED = ".unpacked"


@dataclasses.dataclass(frozen=True)
class Fetched:
    """What a fetch came to.

    Attributes:
        output: The folder.
        fetched: Names of the files that were put there.
        there: Names of those that were there already, and are right.
    """

    output: str
    fetched: tuple[str, ...]
    there: tuple[str, ...]


def fetch(
    data_set: DataSet,
    output: str,
    mirror: str = "",
    progress: Callable[[Download, int], None] = lambda file, done: None,
) -> Fetched:
    """Fetch the files of a data set that are not there yet.

    Args:
        data_set: Which.
        output: Folder on this machine that gets them. Other files in it are left alone.
        mirror: An address before all others, to which the names of the files are appended.
        progress: Called with a file and the bytes of it that are there, as they come.

    Raises:
        DataError: If a file of the same name is another, or every mirror sends another.
        UnreachableError: If no mirror can be reached.
        SetupError: If no mirror has a file, or the folder cannot be written.
        UsageError: If `output` is not on this machine, or `mirror` no address.
    """
    if not storage.is_local(output):
        raise UsageError(
            "files are fetched to this machine only",
            where=output,
            expected="a local folder",
            remedy="fetch them, then copy them there with gcloud storage cp or aws s3 cp",
        )
    folder = storage.local_path(output)
    _check_mirror(mirror)
    fetched: list[str] = []
    there: list[str] = []
    with storage.lock(output):
        for file in data_set.files:
            path = os.path.join(folder, file.name)
            names = _unpacked(path, file) if data_set.archive else []
            if names:
                there += names
                continue
            new = not os.path.lexists(path)
            if new:
                _download(data_set, file, folder, mirror, progress)
            else:
                _check_same(path, file)
            if data_set.archive:
                fetched += _unpack(path, file)
            else:
                (fetched if new else there).append(file.name)
    return Fetched(output, tuple(fetched), tuple(there))


def _download(
    data_set: DataSet,
    file: Download,
    folder: str,
    mirror: str,
    progress: Callable[[Download, int], None],
) -> None:
    """Fetch a file; an error says how to bring all that is missing by other ways."""
    try:
        download(
            _with_mirror(file, mirror),
            os.path.join(folder, file.name),
            lambda size: progress(file, size),
        )
    except IdxpipeError as error:
        if error.remedy is None:
            missing = [f for f in data_set.files if not os.path.lexists(f"{folder}/{f.name}")]
            lines = [f"{f.urls[0]}: {described(f)}" for f in missing]
            error.remedy = "\n".join(
                [
                    f"try again; or bring into {folder} what follows, by any other way, and run "
                    "the same command, which checks it; or name a mirror of your own with --mirror",
                    *lines,
                ]
            )
        raise


def _check_mirror(mirror: str) -> None:
    try:
        parts = urlsplit(mirror)
        right = not mirror or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        right = False
    if not right:
        raise UsageError(
            "not the address of a mirror",
            where="--mirror",
            expected="https://HOST/FOLDER/",
            found=printable(repr(mirror)),
        )


def _with_mirror(file: Download, mirror: str) -> Download:
    if not mirror:
        return file
    return dataclasses.replace(file, urls=(f"{mirror.rstrip('/')}/{file.name}", *file.urls))


def _check_same(path: str, file: Download) -> None:
    found = digest_of(path, file)
    if found != file.digest:
        raise DataError(
            "another file of this name is here",
            where=path,
            expected=file.digest.replace(":", " "),
            found=found.replace(":", " "),
            remedy="remove it to fetch the right one, or give another folder",
        )


def _marker(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}{_UNPACKED}")


def _unpacked(path: str, file: Download) -> list[str]:
    """Return the names that were unpacked from this very archive, if all are still there."""
    if not storage.exists(_marker(path)):
        return []
    digest, *names = storage.read_document(_marker(path)).decode(errors="replace").splitlines()
    folder = os.path.dirname(path)
    whole = digest == file.digest and all(
        storage.exists(storage.join(folder, name)) for name in names
    )
    return names if whole else []


def _unpack(path: str, file: Download) -> list[str]:
    """Unpack the files that are wanted from a zip, note their names, and remove it."""
    folder = os.path.dirname(path)
    names = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            match = _MEMBER.fullmatch(member.filename)
            if match:
                target = os.path.join(folder, match[1])
                with archive.open(member) as packed, storage.create(target) as stream:
                    shutil.copyfileobj(packed, stream, 1 << 20)
                names.append(match[1])
    storage.write(_marker(path), "\n".join([file.digest, *names, ""]).encode())
    os.remove(path)
    return names
