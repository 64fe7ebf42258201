"""s3:// and every other scheme through fsspec, with its driver installed beside us."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeVar, cast

from idxpipe.components.core import host
from idxpipe.components.core.errors import (
    PROXY_REFUSES,
    ChangedError,
    DataError,
    IdxpipeError,
    SetupError,
    TransientError,
    UsageError,
    installing,
    proxy_refuses,
)
from idxpipe.components.core.narration import awaiting, patience
from idxpipe.components.core.stores.ranged_stream import RangedStream
from idxpipe.components.core.stores.spool import spool
from idxpipe.components.core.stores.web import fetch_range, session_options

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.25
# Of one request, and of all of them together.
_ANSWER_SECONDS = 30.0
_DEADLINE_SECONDS = 120.0
# What a slow network brings; slower is taken for none.
_LEAST_BYTES_PER_SECOND = 64 << 10
# Many answers, one after the other.
_LISTING_BYTES = 16 << 20
_TRANSIENT_NUMBERS = {errno.EBUSY, errno.EIO, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE}
_TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}
# By name: their packages come with the drivers, not with us.
# Sources: botocore.exceptions, aiohttp.client_exceptions.
_TRANSIENT_NAMES = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
    "FSTimeoutError",
    "HTTPClientError",
    "IncompleteReadError",
    "ReadTimeoutError",
    "ResponseParserError",
    "ServerDisconnectedError",
}
_NO_CREDENTIALS_NAMES = {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError"}
# botocore's, of which the status is lost.
_PROXY_WORDS = "Failed to connect to proxy URL"
_NOT_FOUND, _PROXY_STATUS = 404, 407
# No such object; one that is being written; another version.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_NOT_SO = {404, 409, 412}
_WEB = {"http", "https"}
_ABSENT = "no such file"
_LOGIN = {"s3": "aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}

# Of botocore: one attempt, as the others are made here.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"retries": {"total_max_attempts": 1}}}
}

T = TypeVar("T")
_lock = threading.Lock()


class FsspecStore:
    """A `Store` over an fsspec file system. Paths are whatever follows the scheme.

    A file appears whole or not at all as far as the file system's own `put` does; that of S3 and
    of its kin does.

    Args:
        uri: A file or folder there. Some drivers, such as that of FTP, take the host from it.

    Raises:
        SetupError: If the scheme's driver is not installed, or cannot start.
        UsageError: If there is no such scheme.
    """

    def __init__(self, uri: str) -> None:
        self._scheme = uri.partition("://")[0].lower()
        self._files = _file_system(self._scheme, uri)

    def size(self, path: str) -> int | None:
        """Return the length in bytes, or None when there is no such file."""
        found = self._stat(path)
        return None if found is None else int(found["size"])

    def _stat(self, path: str) -> dict[str, Any] | None:
        def look() -> dict[str, Any] | None:
            try:
                info: dict[str, Any] = self._ask("info", self._name(path))
            except FileNotFoundError as error:
                ours = self._of_missing(error, path)
                if ours.problem == _ABSENT:
                    return None
                raise ours from None
            if info["type"] != "file" or path.endswith("/"):
                return None
            if info["size"] is None:
                raise DataError("server does not tell the file's length", where=self._uri(path))
            return info

        return self._try(path, look)

    def crc32c(self, path: str) -> int | None:
        """Return None: these stores keep other checksums, or none."""
        return None

    def version(self, path: str) -> str | None:
        """Return what the driver goes by, such as the ETag; of drivers without that, None."""

        def look() -> str | None:
            # That of the web is the address.
            if self._scheme in _WEB:
                return cast(str | None, self._files.info(self._name(path)).get("ETag"))
            return str(self._files.ukey(self._name(path)))

        return self._try(path, look)

    def read(self, path: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""
        if length <= 0:
            return b""
        fetch = self._fetch_from_web if self._scheme in _WEB else self._fetch
        return self._try(path, lambda: fetch(path, start, length), length)

    def _fetch(self, path: str, start: int, length: int) -> bytes:
        end = start + length
        data: bytes = self._ask("cat_file", self._name(path), size=length, start=start, end=end)
        # Some drivers know no ranges.
        return data if len(data) <= length else data[start : start + length]

    def _fetch_from_web(self, path: str, start: int, length: int) -> bytes:
        from fsspec.asyn import sync

        async def fetch() -> bytes:
            session = await self._files.set_session()
            return await fetch_range(session, self._name(path), start, length)

        data: bytes = sync(self._files.loop, fetch, timeout=_seconds(length))
        return data

    def open(self, path: str, start: int) -> BinaryIO:
        """Return a stream that reads from byte `start`; of S3, from this version only."""
        found = self._stat(path)
        if found is None:
            raise self._of_missing(FileNotFoundError(), path)
        tag = found.get("ETag") if self._scheme == "s3" else None

        def fetch(start: int, length: int) -> bytes:
            if tag is None:
                return self.read(path, start, length)
            place = f"bytes={start}-{start + length - 1}"
            answer = self.request(path, "get_object", length, Range=place, IfMatch=tag)
            if answer is None:
                raise ChangedError(self._uri(path))
            return cast(bytes, answer["Body"])

        return cast(BinaryIO, RangedStream(self._uri(path), fetch, int(found["size"]), start))

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a stream to a local buffer; put it in its place at the end."""
        self._check_writable(path)
        with spool() as stream:
            yield cast(BinaryIO, stream)
            stream.file.seek(0)
            if stream.size == 0:
                self._try(path, lambda: self._ask("pipe_file", self._name(path), b""))
                return
            # On disk by now or not, the file system wants a name.
            stream.file.rollover()  # type: ignore[attr-defined]
            local = host.descriptor_path(stream.file.fileno())
            stream.file.flush()
            self.put(local, path)

    def put(self, local: str, path: str) -> None:
        """Copy the local file `local` there."""
        self._check_writable(path)
        size = os.path.getsize(local)
        self._try(path, lambda: self._ask("put_file", local, self._name(path), size=size), size)

    def list(self, path: str) -> dict[str, int]:
        """Return the size in bytes of every file below `path`."""

        def look() -> dict[str, int]:
            base = self._name(path).rstrip("/")
            try:
                found = self._ask("find", base, size=_LISTING_BYTES, detail=True)
            except FileNotFoundError as error:
                ours = self._of_missing(error, path)
                if ours.problem == _ABSENT:
                    return {}
                raise ours from None
            # Of a file, `find` gives the file itself.
            return {
                name.removeprefix(f"{base}/"): int(info["size"] or 0)
                for name, info in found.items()
                if name.startswith(f"{base}/") and not name.endswith("/")
            }

        return self._try(path, look)

    def folders(self, path: str) -> set[str]:
        """Return the names of the folders in `path` itself."""

        def look() -> set[str]:
            base = self._name(path).rstrip("/")
            try:
                found = self._ask("ls", base, size=_LISTING_BYTES, detail=True)
            except FileNotFoundError as error:
                ours = self._of_missing(error, path)
                if ours.problem == _ABSENT:
                    return set()
                raise ours from None
            folders = [info["name"] for info in found if info["type"] == "directory"]
            return {name.rstrip("/").rpartition("/")[2] for name in folders}

        return self._try(path, look)

    def delete(self, path: str) -> None:
        """Delete a file, or everything below a folder; missing ones are fine."""
        self._check_writable(path)

        def remove() -> None:
            with suppress(FileNotFoundError):
                self._ask("rm", self._name(path), size=_LISTING_BYTES, recursive=True)

        self._try(path, remove)

    def sweep(self, path: str) -> None:
        """Do nothing: what was not put is not there."""

    def check_access(self, path: str, *, write: bool) -> None:
        """List the folder, and if `write`, begin an upload to S3 and give it up."""
        self.list(path)
        if not write:
            return
        self._check_writable(path)
        if self._scheme == "s3":
            bucket, _, name = self._name(path).partition("/")
            where: dict[str, Any] = {"Bucket": bucket, "Key": f"{name.rstrip('/')}/access"}

            def begin() -> None:
                upload = self._ask("call_s3", "create_multipart_upload", **where)["UploadId"]
                self._ask("call_s3", "abort_multipart_upload", UploadId=upload, **where)

            self._try(path, begin)

    def request(
        self, path: str, operation: str, length: int = 0, **arguments: Any
    ) -> dict[str, Any] | None:
        """Make a request of S3's own about an object.

        Args:
            path: The object.
            operation: As botocore calls it, such as `put_object`.
            length: Bytes that are moved by it.
            arguments: Further ones than its bucket and key.

        Returns:
            The answer, a body as bytes; None if the object is not there, or a condition does not
            hold.
        """
        from fsspec.asyn import sync

        bucket, _, name = self._name(path).partition("/")

        async def ask() -> dict[str, Any]:
            answer: dict[str, Any] = await self._files._call_s3(
                operation, Bucket=bucket, Key=name, **arguments
            )
            return {**answer, "Body": await answer["Body"].read()} if "Body" in answer else answer

        def work() -> dict[str, Any] | None:
            try:
                return cast(dict[str, Any], sync(self._files.loop, ask, timeout=_seconds(length)))
            except OSError as error:
                answer = getattr(error.__cause__, "response", {})
                code = answer.get("Error", {}).get("Code")
                if _status(error) in _NOT_SO and code != "NoSuchBucket":
                    return None
                raise

        return self._try(path, work, length)

    def _ask(self, method: str, *args: Any, size: int = 0, **options: Any) -> Any:
        """Call the driver, which gives up after a time that depends on the bytes to move."""
        if self._files.async_impl:
            # Of `fsspec.asyn.sync`, which every method of such a driver goes through.
            options["timeout"] = _seconds(size)
        return getattr(self._files, method)(*args, **options)

    def _uri(self, path: str) -> str:
        return f"{self._scheme}://{path}"

    def _name(self, path: str) -> str:
        return str(self._files._strip_protocol(self._uri(path)))

    def _check_writable(self, path: str) -> None:
        if self._scheme in _WEB:
            raise UsageError(
                "cannot be written to",
                where=self._uri(path),
                expected="a local path, gs:// or s3://",
                found=f"{self._scheme}://",
            )

    def _of_missing(self, error: FileNotFoundError, path: str) -> IdxpipeError:
        """Tell a file that is not there from other things that drivers call so."""
        cause = error.__cause__
        if isinstance(cause, IdxpipeError):
            return cause
        if isinstance(cause, Exception) and _status(cause) != _NOT_FOUND:
            real = self._translate(cause, path)
            if isinstance(real, TransientError):
                return real
        if "bucket does not exist" in str(error):
            bucket = path.partition("/")[0]
            return SetupError(
                "no such bucket",
                where=self._uri(path),
                found=str(error),
                remedy=f"check its spelling, or make it: aws s3 mb {self._scheme}://{bucket}",
            )
        return DataError(_ABSENT, where=self._uri(path), remedy="check the path and its spelling")

    def _try(self, path: str, work: Callable[[], T], size: int = 0) -> T:
        """Do `work`, again with backoff while it fails for reasons that may pass.

        Args:
            path: What it is done to.
            work: Asks the driver.
            size: Bytes that are moved by it.

        Raises:
            DataError: If there is no such file.
            SetupError: If credentials or rights are missing.
            TransientError: If the store failed each time.
            UsageError: If the store cannot do this at all.
        """
        with awaiting(self._uri(path.partition("/")[0])):
            return self._persist(path, work, size)

    def _persist(self, path: str, work: Callable[[], T], size: int) -> T:
        pause = _FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + (patience(_DEADLINE_SECONDS) or 0) + _transfer(size)
        for attempt in range(1, _ATTEMPTS + 1):
            # A listing that the driver remembers does not show what others wrote since.
            self._files.invalidate_cache()
            try:
                return work()
            except Exception as error:
                ours = error if isinstance(error, IdxpipeError) else self._translate(error, path)
                over = attempt == _ATTEMPTS or time.monotonic() + pause > deadline
                if not isinstance(ours, TransientError) or over:
                    raise ours from None
            time.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def _translate(self, error: Exception, path: str) -> IdxpipeError:
        uri, found = self._uri(path), " ".join(str(error).split()) or type(error).__name__
        names = {cls.__name__ for cls in type(error).__mro__}
        if isinstance(error, FileNotFoundError):
            return self._of_missing(error, path)
        if names & _NO_CREDENTIALS_NAMES:
            return SetupError(
                "no usable credentials", where=uri, found=found, remedy=_LOGIN.get(self._scheme)
            )
        if isinstance(error, PermissionError) or _status(error) in (401, 403):
            return SetupError(
                "no right to do this here",
                where=uri,
                found=found,
                remedy="use credentials that may, or have these given the right",
            )
        if isinstance(error, NotImplementedError):
            return UsageError("this kind of storage cannot do this", where=uri, found=found)
        return self._of_network(error, uri, names, found)

    def _of_network(self, error: Exception, uri: str, names: set[str], found: str) -> IdxpipeError:
        proxy = PROXY_REFUSES in found or _PROXY_WORDS in found
        if proxy or _status(error) == _PROXY_STATUS:
            return proxy_refuses(uri, found)
        number = getattr(error, "errno", None)
        if (
            names & _TRANSIENT_NAMES
            or isinstance(error, ConnectionError | TimeoutError)
            or number in _TRANSIENT_NUMBERS
            or _status(error) in _TRANSIENT_STATUSES
        ):
            return TransientError(
                "storage cannot be reached, or fails again and again",
                where=uri,
                found=found,
                remedy="check the network, then run the same command again",
            )
        return SetupError("storage refuses this", where=uri, found=found)


def _status(error: BaseException) -> int:
    """Return the status of the answer that made a driver fail; 0 if none did.

    Of S3's, botocore's error tells it, which s3fs makes the cause of an OSError of its own.
    """
    for each in (error, error.__cause__):
        answer = getattr(each, "response", None)
        if isinstance(answer, dict):
            return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return int(getattr(error, "status", 0) or 0)


def _transfer(size: int) -> float:
    return size / _LEAST_BYTES_PER_SECOND


def _seconds(size: int) -> float:
    """Return how long one request that moves so many bytes, or lists so much, may take."""
    limit = patience()
    if limit is None:
        return _ANSWER_SECONDS + _transfer(size)
    return limit + (_transfer(size) if size != _LISTING_BYTES else 0)


def _file_system(scheme: str, uri: str) -> Any:
    import fsspec
    from fsspec.registry import known_implementations

    with _lock:
        try:
            driver: Any = fsspec.get_filesystem_class(scheme)
            options = _OPTIONS.get(scheme, {}) | driver._get_kwargs_from_urls(uri)
            if scheme in _WEB:
                options["client_kwargs"] = session_options()
            files = driver(use_listings_cache=False, **options)
            # Of s3fs: tried again here, and not 25 times below as well.
            files.retries = 1
        except ImportError as error:
            extra = {"s3": "s3", "http": "all", "https": "all"}.get(scheme)
            hint = known_implementations.get(scheme, {}).get("err", str(error))
            raise SetupError(
                "the package that reads this kind of storage is not installed",
                where=f"{scheme}://",
                found=str(error),
                remedy=installing(extra) if extra else hint,
            ) from None
        except ValueError:
            raise UsageError(
                "storage of this kind is not supported",
                where=f"{scheme}://",
                expected="a local path, file://, gs://, s3:// or another scheme that fsspec knows",
                remedy="copy the files to a local folder",
            ) from None
        except Exception as error:
            # A driver may connect at once, or want more than an address can say.
            raise SetupError(
                "the driver of this kind of storage cannot start",
                where=f"{scheme}://",
                # A missing Java is told in hundreds of paths.
                found=" ".join(str(error).split())[:300] or type(error).__name__,
                remedy="check the address, or copy the files to a local folder",
            ) from None
    return files
