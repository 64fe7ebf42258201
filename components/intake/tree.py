"""Where the files of a source are read from: a folder, a zip archive, or one file by itself.

An archive is never unpacked to disk under its own names, and only within bounds.
"""

import dataclasses
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import BinaryIO, Protocol, cast

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError, of_machine, of_system
from idxpipe.components.core.idx.header import MAX_RECORD_BYTES
from idxpipe.components.core.printable import printable

# Real images and tables pack to a tenth or a hundredth; DEFLATE at its best to a thousandth.
_MOST_RATIO = 200
_ALWAYS_FINE_BYTES = 1 << 30
_MOST_FILES = 20_000_000
_ENCRYPTED = 0x1
# What reading a damaged member raises; NotImplementedError is of packings that Python lacks.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
)


class Tree(Protocol):
    """Files by name. It can be sent to another process.

    Attributes:
        uri: Where it is.
        files: Length in bytes of each, by its name, sorted by name.
    """

    @property
    def uri(self) -> str:
        """Where it is."""

    @property
    def files(self) -> dict[str, int]:
        """Length in bytes of each file, by name."""

    def size(self, name: str) -> int:
        """Return the length in bytes of one file, without looking at the others."""

    def open(self, name: str) -> BinaryIO:
        """Return a stream of one file.

        Raises:
            DataError: If it is missing or damaged.
        """


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder on any store.

    Attributes:
        uri: Where it is.
    """

    uri: str

    @cached_property
    def path(self) -> str | None:
        """Its path, if it is on this machine."""
        return storage.local_path(self.uri) if storage.is_local(self.uri) else None

    @cached_property
    def files(self) -> dict[str, int]:
        """Length in bytes of each file, by name."""
        return _seen(storage.list_files(self.uri))

    def size(self, name: str) -> int:
        """Return the length in bytes of one file."""
        return storage.size(storage.join(self.uri, name))

    def open(self, name: str) -> BinaryIO:
        """Return a stream of one file."""
        return storage.open_read(storage.join(self.uri, name))

    def __reduce__(self) -> tuple[type["Folder"], tuple[str]]:
        """Leave the list of files behind, which is long."""
        return Folder, (self.uri,)


@dataclasses.dataclass(frozen=True)
class OneFile:
    """A single file."""

    uri: str

    @cached_property
    def files(self) -> dict[str, int]:
        """Its length in bytes, by its name."""
        return {storage.name_of(self.uri): storage.size(self.uri)}

    def size(self, name: str) -> int:
        """Return its length in bytes."""
        return storage.size(self.uri)

    def open(self, name: str) -> BinaryIO:
        """Return a stream of it."""
        return storage.open_read(self.uri)


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip archive on this machine.

    Attributes:
        uri: Where it is, for errors.
        path: Its path.
    """

    uri: str
    path: str

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        # A damaged directory makes zipfile raise nearly anything.
        except Exception as error:
            # Of a disk that fails, zipfile says that the file is none of its own.
            _raise_of_machine(error.__context__, self.uri)
            raise DataError(
                "not a zip archive that can be read",
                where=self.uri,
                found=printable(str(error)),
                remedy="fetch it again, or unpack it and give the folder",
            ) from None

    @cached_property
    def files(self) -> dict[str, int]:
        """Length in bytes of each file, by name, as the archive says; no more is ever read.

        Raises:
            DataError: If a name leads out of the archive, or it unpacks to far more than it is.
        """
        members = [member for member in self._zip.infolist() if not member.filename.endswith("/")]
        for member in members:
            storage.join(self.uri, member.filename)
            if member.flag_bits & _ENCRYPTED:
                raise DataError(
                    "archive is encrypted",
                    where=self.uri,
                    found=printable(member.filename),
                    remedy="unpack it and give the folder",
                )
        total = sum(member.file_size for member in members)
        packed = storage.size(self.path)
        if total > max(_ALWAYS_FINE_BYTES, _MOST_RATIO * packed) or len(members) > _MOST_FILES:
            raise DataError(
                "archive unpacks to far more than images do",
                where=self.uri,
                expected=f"at most {_MOST_RATIO} times its {packed} bytes",
                found=f"{total} bytes in {len(members)} files",
                remedy="if you trust it, unpack it and give the folder",
            )
        return _seen({member.filename: member.file_size for member in members})

    def size(self, name: str) -> int:
        """Return the length in bytes of one file, as the archive says; no more is ever read."""
        return self._zip.getinfo(name).file_size

    def open(self, name: str) -> BinaryIO:
        """Return a stream of one file."""
        try:
            return cast(BinaryIO, self._zip.open(name))
        except (*ARCHIVE_ERRORS, KeyError, ValueError, RuntimeError) as error:
            raise damaged(self.uri, name, error) from None

    def __reduce__(self) -> tuple[type["Archive"], tuple[str, str]]:
        """Leave the open file behind."""
        return Archive, (self.uri, self.path)


@contextmanager
def open_tree(uri: str, scratch: str) -> Iterator[Tree]:
    """Yield the files of a source.

    Args:
        uri: A folder, a zip archive or another file.
        scratch: Local folder for a copy of an archive that is elsewhere.

    Raises:
        DataError: If there is nothing, or an archive that is damaged or not to be trusted.
    """
    if storage.is_local(uri) and not os.path.exists(storage.local_path(uri)):
        raise no_source(uri, "no such file or folder")
    if not storage.exists(uri):
        yield Folder(uri)
    elif uri.lower().endswith(".zip"):
        yield Archive(uri, local_copy(OneFile(uri), storage.name_of(uri), scratch))
    else:
        yield OneFile(uri)


def read_file(tree: Tree, name: str) -> bytes:
    """Return one file, which must be no larger than one image may be.

    Raises:
        DataError: If it is larger, missing or damaged.
    """
    try:
        # Of small images on this disk most are read: past the store, in a third of the time.
        if isinstance(tree, Folder) and tree.path is not None:
            with open(f"{tree.path}/{name}", "rb", buffering=0) as file:
                _check_size(os.fstat(file.fileno()).st_size)
                return file.read()
        size = tree.size(name)
        _check_size(size)
        with tree.open(name) as stream:
            return stream.read(size)
    except ARCHIVE_ERRORS as error:
        _raise_of_machine(error, storage.join(tree.uri, name))
        raise DataError("damaged", found=printable(str(error))) from None


def _check_size(size: int) -> None:
    if size > MAX_RECORD_BYTES:
        raise DataError("too large", found=f"{size} bytes")


def local_copy(tree: Tree, name: str, scratch: str) -> str:
    """Return the path of a file on this machine: its own, or that of a copy in `scratch`.

    Raises:
        DataError: If it is missing or damaged.
    """
    uri = tree.uri if isinstance(tree, OneFile) else storage.join(tree.uri, name)
    if not isinstance(tree, Archive) and storage.is_local(uri):
        return storage.local_path(uri)
    path = storage.join(scratch, f"{len(storage.list_names(scratch))}-copy")
    try:
        with tree.open(name) as stream, storage.create(path) as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
    except ARCHIVE_ERRORS as error:
        raise damaged(tree.uri, name, error) from None
    return path


def damaged(uri: str, name: str, error: Exception) -> DataError:
    """Return the error of a file that cannot be read.

    Raises:
        SetupError: If it is the disk that fails.
    """
    _raise_of_machine(error, uri)
    return DataError(
        "a file of this source is damaged",
        where=uri,
        found=f"{printable(name)}: {printable(str(error) or type(error).__name__)}",
        remedy="write or fetch it again",
    )


def _raise_of_machine(error: BaseException | None, where: str) -> None:
    if isinstance(error, OSError) and of_machine(error):
        raise of_system(error, where, reading=True) from None


def _seen(files: dict[str, int]) -> dict[str, int]:
    """Return what a person put there: not what macOS and Windows hide beside it."""
    return {
        name: size
        for name, size in sorted(files.items())
        if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    }


def no_source(uri: str, found: str, remedy: str = "") -> UsageError:
    """Return the error of a source in which there is nothing to import."""
    return UsageError(
        "nothing here that can be imported",
        where=uri,
        expected="folders of PNG, JPEG, BMP or GIF images, one per class; .npz or .npy files; "
        ".csv files; or a .zip of any of these",
        found=found,
        remedy=remedy or "check the path",
    )
