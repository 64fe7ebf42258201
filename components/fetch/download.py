"""One file over HTTP: one mirror after the other, resumed where it was cut, checked at the end.

Ranges: RFC 9110, section 14.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from idxpipe.components.core.errors import (
    DataError,
    IdxpipeError,
    SetupError,
    UnreachableError,
    without_secrets,
)
from idxpipe.components.core.printable import printable
from idxpipe.components.fetch.catalogue import Download

ATTEMPTS = 4
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between bytes
PARTIAL = ".part"
_BLOCK_BYTES = 1 << 18
# Where the size is not known.
_MOST_BYTES = 4 << 30
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

# What urllib3 puts before its reasons.
_POOL = re.compile(r"^HTTPS?Connection(?:Pool)?\(.*?\): ")

Progress = Callable[[int], None]


class _Cut(Exception):  # noqa: N818 - an answer to the caller, who tries again
    """A transfer that ended before its time, or did not begin; it may be tried again."""


class _Refused(Exception):  # noqa: N818 - an answer to the caller, who asks the next mirror
    """An answer that will be the same another time."""


def download(file: Download, path: str, progress: Progress = lambda done: None) -> None:
    """Fetch a file and put it at `path`, once its checksum is right.

    What came of it before stands in `PATH.part`, and is gone on with: also by a later call.

    Args:
        file: What to fetch.
        path: Where to put it, on this machine.
        progress: Called with the bytes that are there, as they come.

    Raises:
        DataError: If every mirror sends something else.
        UnreachableError: If none can be reached.
        SetupError: If none has it, or the disk is full.
    """
    part = path + PARTIAL
    failures: dict[str, str] = {}
    worst: type[IdxpipeError] = UnreachableError
    for url in file.urls:
        try:
            _from_mirror(url, file, part, progress)
        except _Cut as reason:
            failures[url] = str(reason)
        except _Refused as reason:
            failures[url] = str(reason)
            worst = SetupError if worst is UnreachableError else worst
        except DataError as error:
            failures[url] = f"{error.problem}: {error.found}"
            worst = DataError
        else:
            os.replace(part, path)
            return
    raise _failure(worst, file, failures)


def digest_of(path: str, file: Download) -> str:
    """Return the checksum of what is at `path`, in the form of `Download.digest`.

    Raises:
        SetupError: If it cannot be read.
    """
    kind = file.digest.partition(":")[0]
    hashed = hashlib.new(kind, usedforsecurity=False)
    with _disk(path), open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            hashed.update(block)
    return f"{kind}:{hashed.hexdigest()}"


def _from_mirror(url: str, file: Download, part: str, progress: Progress) -> None:
    """Fetch what is missing from one mirror, and check the whole.

    A wrong whole that began with what was there before is fetched once more, from its beginning.
    """
    resumed = _length(part) > 0
    while True:
        _attempts(url, file, part, progress)
        found = digest_of(part, file)
        if found == file.digest:
            return
        with _disk(part):
            os.remove(part)
        if not resumed:
            raise DataError("other bytes", found=found)
        resumed = False


def _attempts(url: str, file: Download, part: str, progress: Progress) -> None:
    left = ATTEMPTS
    while True:
        before = _length(part)
        try:
            _transfer(url, file, part, progress)
        except _Cut:
            # A server that sends some of it each time comes to an end, too.
            left = ATTEMPTS if _length(part) > before else left - 1
            if not left:
                raise
            time.sleep(PAUSE_SECONDS * 2 ** (ATTEMPTS - left))
        else:
            return


def _transfer(url: str, file: Download, part: str, progress: Progress) -> None:
    """Send one request and append what it answers."""
    import requests
    from urllib3.exceptions import HTTPError

    have = _length(part)
    if file.size is not None and have == file.size:
        return
    if have > (file.size or _MOST_BYTES):
        with _disk(part):
            os.remove(part)
        have = 0
    # Not unpacked on the way: a .gz is wanted as it is stored.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            start, total = _begin(answer, have)
            _append(answer.raw, file, part, start, total, progress)
    except (requests.RequestException, HTTPError) as error:
        raise _Cut(_reason(error)) from None


def _begin(answer: Any, have: int) -> tuple[int, int | None]:
    """Return where the answer's bytes begin, and the length of the whole if it says so."""
    status = answer.status_code
    if status in _TRANSIENT:
        raise _Cut(f"{status} {printable(answer.reason or '')}")
    length = answer.headers.get("Content-Length", "")
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match and int(match[1]) == have:
            return have, None if match[2] == "*" else int(match[2])
        raise _Refused("it sends another part than it was asked for")
    if status == 416:
        # All of it is there already, or more than there is: the checksum tells.
        return have, have
    if status != 200:
        raise _Refused(f"{status} {printable(answer.reason or '')}")
    return 0, int(length) if length.isdigit() else None


def _append(
    raw: Any, file: Download, part: str, start: int, total: int | None, progress: Progress
) -> None:
    """Write what comes from `start` on.

    Raises:
        _Cut: If it ends before `total`.
        DataError: If it is longer than the file.
    """
    most = file.size or _MOST_BYTES
    if total == start:
        return
    with _disk(part), open(part, "ab") as stream:
        stream.truncate(start)
        done = start
        while block := raw.read(_BLOCK_BYTES, decode_content=False):
            done += len(block)
            if done > most:
                break
            stream.write(block)
            progress(done)
        stream.flush()
        os.fsync(stream.fileno())
    if done > most:
        with _disk(part):
            os.remove(part)
        raise DataError("longer than the file", found=f"more than {most} bytes")
    if done < (total or file.size or 0):
        raise _Cut(f"cut after {done} bytes")


def _length(path: str) -> int:
    with suppress(FileNotFoundError), _disk(path):
        return os.stat(path).st_size
    return 0


class _disk:  # noqa: N801 - used as a function
    """Turns the operating system's errors into ours; a missing file is left as it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise SetupError(
                "cannot write here",
                where=self._path,
                found=error.strerror or str(error),
                remedy="free disk space, or give another folder that can be written",
            ) from None


def _reason(error: Exception) -> str:
    """Return the innermost cause, without the noise of the layers around it."""
    inner: Any = error
    while True:
        following = getattr(inner, "reason", None) or next(
            (arg for arg in getattr(inner, "args", ()) if isinstance(arg, BaseException)), None
        )
        if not isinstance(following, BaseException):
            break
        inner = following
    text = _POOL.sub("", str(inner).rpartition(">: ")[2]) or type(inner).__name__
    return printable(text)


def _failure(kind: type[IdxpipeError], file: Download, failures: dict[str, str]) -> IdxpipeError:
    found = [f"{without_secrets(url)}: {reason}" for url, reason in failures.items()]
    return kind(
        "what is fetched is not the file"
        if kind is DataError
        else "file cannot be fetched from anywhere",
        where=file.name,
        expected=described(file),
        found="\n".join(found),
    )


def described(file: Download) -> str:
    """Return what a file must be, for a person."""
    size = "" if file.size is None else f"{file.size} bytes, "
    return f"{size}{file.digest.replace(':', ' ')}"
