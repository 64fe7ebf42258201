"""gs:// through google-cloud-storage.

An object appears whole or not at all: the service publishes an upload when its last byte is there
and the checksum fits. Every request is tried again, with backoff, on 408, 429, 5xx and loss of the
connection, until `DEADLINE_SECONDS` have passed.
"""

import base64
import mimetypes
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, cast
from urllib.parse import urlsplit

import google_crc32c

from idxpipe.components.core.errors import PROXY_REFUSES, ChangedError, TransientError
from idxpipe.components.core.google.auth import find_credentials, ignore_netrc
from idxpipe.components.core.google.connections import breakable_adapter, breaker
from idxpipe.components.core.google.rest import is_loopback
from idxpipe.components.core.narration import awaiting, patience, say
from idxpipe.components.core.printable import printable
from idxpipe.components.core.stores.gcs_errors import (
    gcs_faults,
    no_such_bucket,
    no_such_object,
)
from idxpipe.components.core.stores.ranged_stream import RangedStream
from idxpipe.components.core.stores.spool import spool

DEADLINE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 16.0
# To connect; between two pieces of an answer.
_TIMEOUT_SECONDS = (10, 30)
# Files are sent in pieces of this size, and an interrupted upload goes on at the last one.
# A multiple of 256 KiB: https://cloud.google.com/storage/docs/performing-resumable-uploads
_CHUNK_BYTES = 16 << 20
_UPLOAD_ATTEMPTS = 5
_CONNECTIONS = 32
# What a slow network brings; slower is taken for none.
_LEAST_BYTES_PER_SECOND = 64 << 10
_DELETES_AT_A_TIME = 8
# Of a listing, where only folders are asked for.
_PREFIXES = "prefixes,nextPageToken"

_stores: dict[int, "GcsStore"] = {}
_lock = threading.Lock()


def gcs_store() -> "GcsStore":
    """Return the store of this process; connections do not survive a fork.

    Raises:
        SetupError: If there are no credentials.
    """
    with _lock:
        if os.getpid() not in _stores:
            _stores[os.getpid()] = GcsStore()
        return _stores[os.getpid()]


class GcsStore:
    """A `Store` over Google Cloud Storage. Paths are `bucket/name`.

    STORAGE_EMULATOR_HOST names an emulator, which is used without credentials.

    Attributes:
        client: Google's own.
        date: When the service sent its last answer, as an HTTP date.

    Raises:
        SetupError: If there are no credentials.
    """

    def __init__(self) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self.client = _make_client()
        self.client._http.hooks["response"].append(self._note_date)
        # The last answer's, by the service's clock (RFC 9110, 6.6.1).
        self.date = ""
        self._deadline = patience(DEADLINE_SECONDS) or DEADLINE_SECONDS
        passes = DEFAULT_RETRY._predicate
        self._retry = (
            DEFAULT_RETRY.with_timeout(self._deadline)
            .with_delay(initial=_FIRST_PAUSE_SECONDS, maximum=_LONGEST_PAUSE_SECONDS)
            .with_predicate(lambda error: PROXY_REFUSES not in str(error) and passes(error))
        )
        self._how = {"retry": self._retry, "timeout": _TIMEOUT_SECONDS}
        self._known_buckets: set[str] = set()

    def within(self, seconds: float, timeout: tuple[float, float]) -> dict[str, Any]:
        """Return how a method of the client is called to be done, or to fail, in so many seconds.

        Args:
            seconds: For all tries.
            timeout: Seconds to connect, and between two pieces of an answer.
        """
        return {"retry": self._retry.with_timeout(seconds), "timeout": timeout}

    def _note_date(self, answer: Any, *_: Any, **__: Any) -> None:
        self.date = answer.headers.get("Date") or self.date

    def size(self, path: str) -> int | None:
        """Return the length in bytes, or None when there is no such object."""
        blob = self._stat(path)
        return None if blob is None else int(blob.size)

    def crc32c(self, path: str) -> int | None:
        """Return the CRC32C that the service keeps of the bytes as they are stored."""
        blob = self._stat(path)
        return None if blob is None else _decode_crc32c(blob.crc32c)

    def version(self, path: str) -> str | None:
        """Return the object's generation."""
        blob = self._stat(path)
        return None if blob is None else str(blob.generation)

    def read(self, path: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""
        from google.api_core.exceptions import NotFound

        with self._asking(_uri(path), length):
            try:
                return self._fetch(self._blob(path), start, length)
            except NotFound:
                self._check_bucket(path.partition("/")[0], _uri(path))
                raise

    def open(self, path: str, start: int) -> BinaryIO:
        """Return a stream that reads from byte `start`, from this version of the object only."""
        from google.api_core.exceptions import NotFound

        uri = _uri(path)
        found = self._stat(path)
        if found is None:
            raise no_such_object(uri)
        blob = self._blob(path, generation=found.generation)

        def fetch(start: int, length: int) -> bytes:
            with self._asking(uri, length):
                try:
                    return self._fetch(blob, start, length)
                except NotFound:
                    raise ChangedError(uri) from None

        checksum = _decode_crc32c(found.crc32c)
        return cast(BinaryIO, RangedStream(uri, fetch, int(found.size), start, checksum))

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """Yield a stream to a local buffer; upload it at the end."""
        with spool() as stream:
            yield cast(BinaryIO, stream)
            self._upload(path, stream.file, stream.size, stream.crc32c)

    def put(self, local: str, path: str) -> None:
        """Upload the file `local`."""
        with open(local, "rb") as file:
            size = checksum = 0
            while block := file.read(1 << 20):
                size += len(block)
                checksum = google_crc32c.extend(checksum, block)
            self._upload(path, file, size, checksum)

    def list(self, path: str) -> dict[str, int]:
        """Return the size in bytes of every object below `path`, but not of folder markers."""
        return {name: size for name, size in self._below(path).items() if not name.endswith("/")}

    def folders(self, path: str) -> set[str]:
        """Return the names of the folders in `path` itself."""
        prefix = _prefix_of(path)
        pages = self._pages(path, delimiter="/", fields=_PREFIXES)
        names = {name for page in pages for name in page.prefixes}
        return {name.removeprefix(prefix).rstrip("/") for name in names}

    def delete(self, path: str) -> None:
        """Delete an object, and everything below it as a folder; missing ones are fine."""
        below = [f"{path.rstrip('/')}/{name}" for name in self._below(path)]
        with ThreadPoolExecutor(_DELETES_AT_A_TIME) as pool:
            list(pool.map(self._delete_object, [path, *below]))

    def sweep(self, path: str) -> None:
        """Do nothing: an upload that was cut off leaves nothing to see."""

    def check_access(self, path: str, *, write: bool) -> None:
        """List an object, and if `write`, ask for an upload that never gets a byte.

        A machine in GKE may have credentials with a scope that only reads.
        """
        bucket, _, name = path.partition("/")
        with self._asking(_uri(path)):
            found = self.client.list_blobs(bucket, prefix=name, max_results=1, **self._how)
            next(iter(found), None)
            if write:
                # Right and scope are checked now; the object would be there after its last byte.
                self._blob(f"{path.rstrip('/')}/access").create_resumable_upload_session(
                    **self._how
                )

    @contextmanager
    def _asking(self, uri: str, size: int = 0) -> Iterator[None]:
        """Turn errors into ours, with a word while there is no answer, and an end to that."""
        limit = self._deadline + size / _LEAST_BYTES_PER_SECOND
        bucket = _uri(uri.partition("://")[2].partition("/")[0])
        with gcs_faults(uri), awaiting(bucket, limit, breaker()):
            yield

    def _stat(self, path: str) -> Any:
        bucket, _, name = path.partition("/")
        # What ends in a slash is a folder, although consoles keep an empty object of that name.
        if not name or name.endswith("/"):
            return None
        with self._asking(_uri(path)):
            blob = self.client.bucket(bucket).get_blob(name, **self._how)
            if blob is None:
                self._check_bucket(bucket, _uri(path))
            return blob

    def _check_bucket(self, bucket: str, uri: str) -> None:
        """Tell a missing bucket from a missing object: the service answers 404 to both.

        Raises:
            SetupError: If there is no such bucket.
        """
        from google.api_core.exceptions import Forbidden, NotFound

        if bucket in self._known_buckets:
            return
        try:
            next(iter(self.client.list_blobs(bucket, max_results=1, **self._how)), None)
        except NotFound:
            raise no_such_bucket(uri) from None
        except Forbidden:
            # Who may only read objects cannot know; the bucket is there all the same.
            pass
        self._known_buckets.add(bucket)

    def _blob(self, path: str, **options: Any) -> Any:
        bucket, _, name = path.partition("/")
        return self.client.bucket(bucket).blob(name, **options)

    def _fetch(self, blob: Any, start: int, length: int) -> bytes:
        from google.api_core.exceptions import RequestRangeNotSatisfiable

        if length <= 0:
            return b""
        try:
            # Raw: with Content-Encoding gzip the service would otherwise unpack, and ignore ranges.
            data: bytes = blob.download_as_bytes(
                start=start,
                end=start + length - 1,
                raw_download=True,
                checksum=None,
                **self._how,
            )
        except RequestRangeNotSatisfiable:
            return b""
        return data

    def _upload(self, path: str, file: IO[bytes], size: int, checksum: int) -> None:
        """Publish `size` bytes of `file`; what is there in the end has this checksum."""
        from google.api_core.exceptions import (
            BadRequest,
            Forbidden,
            GoogleAPICallError,
            RetryError,
            Unauthorized,
        )
        from google.cloud.storage.exceptions import DataCorruption

        encoded = _encode_crc32c(checksum)
        with self._asking(_uri(path), size):
            for attempt in range(1, _UPLOAD_ATTEMPTS + 1):
                # Not the version of an earlier attempt: its properties would be sent again.
                blob = self._blob(path, chunk_size=_CHUNK_BYTES)
                # A session that is lost does not come back: 1/31, 2/31, ... 16/31 of the time.
                share = 2 ** (attempt - 1) / (2**_UPLOAD_ATTEMPTS - 1)
                file.seek(0)
                try:
                    blob.upload_from_file(
                        file,
                        size=size,
                        content_type=_content_type(path),
                        checksum="crc32c",
                        crc32c_checksum_value=encoded,
                        retry=self._retry.with_timeout(self._deadline * share),
                        timeout=_TIMEOUT_SECONDS,
                    )
                except (BadRequest, Unauthorized, Forbidden):
                    raise
                except DataCorruption:
                    # A piece was sent twice, and an emulator keeps both; the object is gone again.
                    continue
                except (GoogleAPICallError, RetryError):
                    # The answer to the last piece may have been lost, and with it the session.
                    blob = self._stat(path)
                    if attempt == _UPLOAD_ATTEMPTS and (blob is None or blob.crc32c != encoded):
                        raise
                if blob is not None and (blob.crc32c, int(blob.size or 0)) == (encoded, size):
                    return
        raise TransientError(
            "upload arrived damaged",
            where=_uri(path),
            expected=f"CRC32C {checksum:08x}",
            remedy="run the same command again",
        )

    def _below(self, path: str) -> dict[str, int]:
        prefix = _prefix_of(path)
        blobs = [blob for page in self._pages(path) for blob in page]
        return {
            blob.name.removeprefix(prefix): int(blob.size) for blob in blobs if blob.name != prefix
        }

    def _pages(self, path: str, **options: Any) -> Iterator[Any]:
        """Yield the pages of a listing, each an answer that is waited for."""
        from google.api_core.exceptions import NotFound

        bucket, uri, prefix = path.partition("/")[0], _uri(path), _prefix_of(path) or None
        found = self.client.list_blobs(bucket, prefix=prefix, **options, **self._how)
        pages = iter(found.pages)
        while True:
            with self._asking(uri):
                try:
                    page = next(pages, None)
                except NotFound:
                    raise no_such_bucket(uri) from None
            if page is None:
                return
            yield page

    def _delete_object(self, path: str) -> None:
        from google.api_core.exceptions import NotFound

        blob = self._blob(path)
        if not blob.name:
            return
        with gcs_faults(_uri(path)), suppress(NotFound):
            # Safe to repeat, although Google's default is not to: gone is gone.
            blob.delete(**self._how)


def _make_client() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        if not is_loopback(urlsplit(emulator).hostname or emulator.partition(":")[0]):
            say(f"warning: STORAGE_EMULATOR_HOST sends all of gs:// to {printable(emulator)}")
        client = Client(project="emulator", credentials=AnonymousCredentials())
    else:
        credentials, project = find_credentials()
        # Reading and writing objects takes no project, but the client asks for one.
        client = Client(project=project or "none", credentials=credentials)
    ignore_netrc(client._http)
    for kind in ("https://", "http://"):
        adapter = breakable_adapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
        client._http.mount(kind, adapter)
    return client


def _prefix_of(path: str) -> str:
    name = path.partition("/")[2].rstrip("/")
    return f"{name}/" if name else ""


def _uri(path: str) -> str:
    return f"gs://{path}"


def _decode_crc32c(text: str | None) -> int | None:
    return None if text is None else int.from_bytes(base64.b64decode(text), "big")


def _content_type(path: str) -> str | None:
    kind, encoding = mimetypes.guess_type(path)
    return None if encoding else kind


def _encode_crc32c(checksum: int) -> str:
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
