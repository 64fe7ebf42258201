"""One file layer under every stage: bytes in and out of a URI, wherever it points.

A URI is a local path, `file:///path`, or `SCHEME://bucket/path`. A file written here appears whole
or not at all, on every store.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from idxpipe.components.core.errors import WEB, ChangedError, DataError, UsageError
from idxpipe.components.core.leases import held
from idxpipe.components.core.stores.base import Store

_SECRET = re.compile(
    r"[?&#][^=&]*(?:signature|sig|token|password|secret|credential|key)=", re.IGNORECASE
)
# What may stand behind the `?` of a web address: no service takes these for a right to read.
_HARMLESS = {"alt", "dl", "download", "format", "generation", "inline", "raw", "ref", "versionid"}

# A manifest of a hundred thousand shards.
DOCUMENT_BYTES = 16 << 20
# Metrics and reports, whose matrix has a number for each pair of classes.
REPORT_BYTES = 256 << 20
# Of a record that its run writes again and again.
_VERSIONS = 4
_BUCKETS = {"gs", "s3", "minio"}
_ONE_SLASH = re.compile(r"(?:gs|s3|minio|file|https?|hdfs):/(?!/)", re.IGNORECASE)


T = TypeVar("T")


def scheme(uri: str) -> str:
    """Return the scheme of `uri` in lower case; `file` for a local path."""
    head, separator, _ = uri.partition("://")
    return head.lower() if separator else "file"


def is_local(uri: str) -> bool:
    """Tell whether `uri` is on this machine's file system."""
    return scheme(uri) == "file"


def local_path(uri: str) -> str:
    """Return the file system path of a local `uri`; a shell leaves `~` alone in quotes."""
    if _ONE_SLASH.match(uri):
        raise UsageError(
            "not a URI", where=uri, expected=uri.replace(":/", "://", 1), remedy="add a slash"
        )
    path = unquote(urlsplit(uri).path) if "://" in uri else uri
    return os.path.expanduser(path) if path.startswith("~") else path


def join(base: str, *names: str) -> str:
    """Return `base/name/...`.

    Raises:
        DataError: If a name is absolute or climbs out of `base`.
    """
    for name in names:
        normal = posixpath.normpath(name)
        if not name or normal.startswith(("/", "..")) or "\\" in name or "\0" in name:
            raise DataError("name leads out of its folder", where=base, found=repr(name))
    return "/".join([base.rstrip("/"), *names])


def name_of(uri: str) -> str:
    """Return the last part of `uri`."""
    return uri.rstrip("/").rpartition("/")[2]


def exists(uri: str) -> bool:
    """Tell whether there is a file at `uri`."""
    store, path = _resolve(uri)
    return store.size(path) is not None


def size(uri: str) -> int:
    """Return the length in bytes of the file at `uri`.

    Raises:
        DataError: If there is none.
    """
    store, path = _resolve(uri)
    length = store.size(path)
    if length is None:
        raise DataError("no such file", where=uri, remedy="check the path and its spelling")
    return length


def stored_crc32c(uri: str) -> int | None:
    """Return the CRC32C of the file's bytes where the store keeps it, as gs:// does; else None."""
    store, path = _resolve(uri)
    return store.crc32c(path)


def version(uri: str) -> str | None:
    """Return what tells the content of the file from what it is later; None if nothing does.

    Raises:
        DataError: If there is no such file.
    """
    store, path = _resolve(uri)
    return store.version(path)


def check_unchanged(uri: str, before: str | None) -> None:
    """Check that a file is the one that it was, as far as that can be told.

    Args:
        uri: The file.
        before: Its `version` then.

    Raises:
        ChangedError: If it is not.
    """
    if version(uri) != before:
        raise ChangedError(uri)


def read(uri: str, start: int = 0, length: int | None = None) -> bytes:
    """Return exactly `length` bytes from `start`; without `length`, all that follow.

    Raises:
        DataError: If the file is missing or ends before that.
        TransientError: If all of it was read, and does not fit the checksum that its store keeps.
    """
    if length is None:
        return _of_one_version(uri, start, lambda stream: stream.read())
    store, path = _resolve(uri)
    data = store.read(path, start, length)
    if len(data) != length:
        raise DataError(
            "file ends too early",
            where=uri,
            offset=start + len(data),
            expected=f"{length} bytes from byte {start}",
            found=f"{len(data)} bytes",
        )
    return data


def read_document(uri: str, most: int = DOCUMENT_BYTES) -> bytes:
    """Return a file that is read as a whole: records, manifests and the like.

    Args:
        uri: The file.
        most: The length in bytes that none of its kind has.

    Raises:
        DataError: If it is missing, or longer.
    """

    def take(stream: BinaryIO) -> tuple[int, bytes]:
        # Of the file that is open, as another may take its name meanwhile.
        length = os.fstat(stream.fileno()).st_size if is_local(uri) else 0
        return length, stream.read(most + 1) if length <= most else b""

    length, data = _of_one_version(uri, 0, take)
    if max(length, len(data)) > most:
        raise DataError(
            "file is longer than any of its kind",
            where=uri,
            expected=f"at most {most} bytes",
            found=f"{length} bytes" if length else "more",
            remedy="check the path; if it is what it should be, make it again",
        )
    return data


def _of_one_version(uri: str, start: int, take: Callable[[BinaryIO], T]) -> T:
    """Return what `take` reads of a file, again if another took its name meanwhile.

    All of a bucket's object is compared with the checksum that its store keeps.
    """
    for _ in range(_VERSIONS):
        with suppress(ChangedError), open_read(uri, start) as stream:
            return take(stream)
    with open_read(uri, start) as stream:
        return take(stream)


def read_start(uri: str, length: int) -> bytes:
    """Return the first `length` bytes, or all if there are fewer; no more than that is fetched.

    Raises:
        DataError: If there is no such file.
    """
    store, path = _resolve(uri)
    wanted = min(length, size(uri))
    return store.read(path, 0, wanted) if wanted else b""


def open_read(uri: str, start: int = 0) -> BinaryIO:
    """Return a stream that reads `uri` from byte `start`.

    Raises:
        DataError: If there is no such file.
    """
    store, path = _resolve(uri)
    return store.open(path, start)


@contextmanager
def create(uri: str) -> Iterator[BinaryIO]:
    """Yield a stream; what is written to it appears at `uri` at the end, unless there is an error.

    Raises:
        SetupError: If the place cannot be written or is full.
    """
    store, path = _resolve(uri)
    with store.create(path) as stream:
        yield stream
        # What is written appears when the store's block ends.
        _check_lease(uri)


def write(uri: str, data: bytes) -> None:
    """Publish `data` at `uri`, replacing what was there.

    Raises:
        SetupError: If the place cannot be written or is full.
        TransientError: If this process has lost the lease of the place.
    """
    with create(uri) as stream:
        stream.write(data)


def put(local: str, uri: str) -> None:
    """Publish a copy of the local file `local` at `uri`, replacing what was there.

    Raises:
        SetupError: If the place cannot be written or is full.
    """
    store, path = _resolve(uri)
    _check_lease(uri)
    store.put(local, path)


def list_files(uri: str) -> dict[str, int]:
    """Return the size in bytes of each file below `uri`, by relative name, sorted by name."""
    store, path = _resolve(uri)
    return dict(sorted(store.list(path).items()))


def list_names(uri: str) -> list[str]:
    """Return the names of the files in the folder `uri` itself, sorted; none if it is missing."""
    if is_local(uri):
        from idxpipe.components.core.stores.local import names_in

        # Not the whole tree: a folder such as a checkout holds a hundred thousand files below it.
        return names_in(local_path(uri))
    return [name for name in list_files(uri) if "/" not in name]


def list_folders(uri: str) -> list[str]:
    """Return the names of the folders in the folder `uri` itself, sorted; none if it is missing."""
    store, path = _resolve(uri)
    return sorted(store.folders(path))


def delete(uri: str) -> None:
    """Delete the file at `uri`, or everything below it; nothing there is fine."""
    store, path = _resolve(uri)
    _check_lease(uri)
    store.delete(path)


@contextmanager
def lock(uri: str, *others: str) -> Iterator[None]:
    """Keep the folder `uri` to this process, waiting for others.

    In a bucket that is a lease. If it is lost, as by a process that was suspended, nothing more can
    be written below the folder, nor deleted there.

    Args:
        uri: The folder.
        others: Folders that whoever holds that one writes, too.

    Raises:
        SetupError: If the folder cannot be made.
        TransientError: If the bucket cannot be reached.
    """
    if not is_local(uri):
        from idxpipe.components.core.leases.lease import hold

        _resolve(uri)
        with hold(uri, *others):
            yield
        return
    from idxpipe.components.core.stores.local import lock_folder

    with lock_folder(local_path(uri)):
        yield


def sweep(uri: str) -> None:
    """Delete the temporary files that killed processes left in the folder `uri`."""
    store, path = _resolve(uri)
    store.sweep(path)


def check_access(uri: str, *, write: bool) -> None:
    """Find out whether this process may read at `uri`, or write there; nothing is left there.

    Raises:
        SetupError: If credentials or rights are missing, or there is no such bucket.
        TransientError: If the store cannot be reached.
        UsageError: If there is no such kind of storage.
    """
    store, path = _resolve(uri)
    store.check_access(path, write=write)


def refuse_secrets(uri: str) -> None:
    """Refuse a remote URI with a password or signature: records and logs keep it as it is given.

    Raises:
        UsageError: If it has one, or is a web address with a query or fragment that may be one.
    """
    kind, separator, rest = uri.partition("://")
    if not separator:
        return
    if "@" in re.split("[/?#]", rest, maxsplit=1)[0] or _SECRET.search(rest):
        raise UsageError(
            "URI holds a password or signature, which would be kept in records and logs",
            where=uri,
            expected=f"{kind}://HOST/PATH",
            remedy="give it in the environment or a configuration file of the store's driver, "
            "or fetch the file first",
        )
    if kind.lower() not in WEB:
        return
    parts = urlsplit(uri)
    names = dict(parse_qsl(parts.query, keep_blank_values=True))
    # One without a value may be the secret itself.
    odd = [name if value else "..." for name, value in names.items()]
    odd = [name for name in odd if name.lower() not in _HARMLESS]
    if odd or parts.fragment:
        raise UsageError(
            "address may hold a password or signature, which would be kept in records and logs",
            where=uri,
            expected=f"no query but {', '.join(sorted(_HARMLESS))}, and no fragment",
            found=", ".join(odd) or "a fragment",
            remedy="fetch the file first, and name it on this machine",
        )


def _check_lease(uri: str) -> None:
    if not is_local(uri):
        held.check(uri)


def _resolve(uri: str) -> tuple[Store, str]:
    kind = scheme(uri)
    if kind == "file":
        from idxpipe.components.core.stores.local import LocalStore

        return LocalStore(), local_path(uri)
    path = uri.partition("://")[2]
    if not path.strip("/") or (kind in _BUCKETS and path.startswith("/")):
        raise UsageError("not a URI", where=uri, expected=f"{kind}://BUCKET/PATH")
    refuse_secrets(uri)
    if kind == "gs":
        from idxpipe.components.core.stores.gcs import gcs_store

        return gcs_store(), path
    from idxpipe.components.core.stores.fsspec_store import FsspecStore

    return FsspecStore(uri), path
