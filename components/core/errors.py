"""The one exception family: where, what was expected, what was found, what to do.

Each class fixes the exit code of the process that ends in it:
1 a defect of ours, 2 usage, 3 bad data, 4 gate not passed, 5 environment, 6 transient.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from idxpipe.components.core.codes import Code
from idxpipe.components.core.printable import visible

PREFIX = "error: "
# Names the file that a runner reads a stage's error from: the log has the words of others, too.
FILE_VARIABLE = "IDXPIPE_ERROR"
# Neither Vertex AI nor Kubeflow looks whether the files of a cached result are still there.
NO_CACHE = "on Vertex AI or Kubeflow, if files were deleted, run `idxpipe submit --no-cache`"
# A plain run takes a conversion whose files are all there, and does not hash its shards.
CONVERT_AGAIN = (
    "idxpipe run --verify makes again what a pipeline made; else delete the dataset's folder and "
    f"convert it again; {NO_CACHE}"
)

# Modules by the extra of setup.py that brings them.
_EXTRAS = {
    "array_record": "array-record",
    "google_cloud_pipeline_components": "gcp",
    "distributed": "dask",
    **dict.fromkeys(("jax", "jaxlib", "libtpu"), "tpu-check"),
    **dict.fromkeys(
        ("tensorflow", "keras", "PIL", "kfp", "yaml", "urllib3", "tensorboard", "s3fs"), "all"
    ),
}

# What anybody may serve, and on the way anybody may change.
WEB = frozenset({"http", "https", "ftp"})
# Of HTTP's status 407, in the words of urllib3 and aiohttp.
PROXY_REFUSES = "407 Proxy Authentication"
_OF_DISKS = frozenset({errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT})
_REMEDIES = {
    errno.ENOSPC: "free disk space, or choose another output folder",
    errno.EDQUOT: "free disk quota, or choose another output folder",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "give this user the right to it, or choose another path",
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    **dict.fromkeys(
        _OF_DISKS,
        "see what the kernel says of the disk or the mount (dmesg), or take a copy that can be "
        "read; then run the same command again",
    ),
}


class IdxpipeError(Exception):
    """A failure that the user can understand and fix; shown without a traceback.

    Args:
        problem: One line that says what is wrong.
        where: URI, parameter or stage that the problem is in.
        offset: Byte offset into `where`, counted in uncompressed content.
        expected: What would have been right.
        found: What was there instead.
        remedy: What to do about it.
        code: Its name in the catalogue, if it has one.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        offset: int | None = None,
        expected: object = None,
        found: object = None,
        remedy: str | None = None,
        code: Code | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = None if where is None else without_secrets(where)
        self.offset = offset
        self.expected = expected
        self.found = found
        self.remedy = remedy
        self.code = code

    def __str__(self) -> str:
        # What came from outside, such as a file's name, begins no line, as our own labels do.
        place = "" if self.where is None else self.where.replace("\n", "\\n") + ": "
        if self.offset is not None:
            place += f"byte {self.offset}: "
        code = "" if self.code is None else f" [{self.code}]"
        lines = [f"{place}{self.problem}{code}"]
        for label, value in (
            ("expected", self.expected),
            ("found", self.found),
            ("to do", self.remedy),
        ):
            if value is not None:
                text = str(value).replace("\n", "\n" + " " * 12)
                lines.append(f"  {label + ':':<10}{text}")
        return visible("\n".join(lines))

    def to_json(self) -> dict[str, object]:
        """Return the fields that are set, with the exit code, as JSON values."""
        fields = {
            "code": None if self.code is None else self.code.code,
            "problem": self.problem,
            "where": self.where,
            "offset": self.offset,
            "expected": None if self.expected is None else str(self.expected),
            "found": None if self.found is None else str(self.found),
            "remedy": self.remedy,
            "exit_code": self.exit_code,
        }
        return {name: value for name, value in fields.items() if value is not None}


class UsageError(IdxpipeError):
    """An invalid parameter, flag or combination of them."""

    exit_code = 2


class DataError(IdxpipeError):
    """Bytes that are not what they claim to be."""

    exit_code = 3


class GateError(IdxpipeError):
    """A model that is not good enough to go on."""

    exit_code = 4


class SetupError(IdxpipeError):
    """A machine, account or device that lacks what the work needs."""

    exit_code = 5


class TransientError(IdxpipeError):
    """A failure that may pass by itself: the same command can simply be tried again."""

    exit_code = 6


class ChangedError(TransientError):
    """A file that is not the one whose reading began."""

    def __init__(self, where: str, *, offset: int | None = None, expected: object = None) -> None:
        super().__init__(
            "file changed while it was read",
            where=where,
            offset=offset,
            expected=expected,
            remedy="leave the file alone while it is in use, and run the same command again",
        )


class NotFoundError(UsageError):
    """A resource that a service does not know."""


class DeniedError(SetupError):
    """A call that these credentials may not make."""


class UnreachableError(TransientError):
    """A service that does not answer at all."""


def missing(error: ModuleNotFoundError) -> SetupError | None:
    """Return what to say of a module that is not installed; None if no extra brings it."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        return None
    return SetupError(
        f"{package} is not installed",
        where=package,
        expected=f"idxpipe[{extra}]: idxpipe alone converts, and no more",
        remedy=installing(extra),
    )


def installing(extra: str) -> str:
    """Return the command that adds what an extra of setup.py brings.

    It takes the idxpipe that is installed, from a checkout or a wheel, too, and no other.
    """
    return f"pip install 'idxpipe[{extra}]'"


def of_system(error: OSError, where: str | None = None, *, reading: bool = False) -> SetupError:
    """Return what to say of an error of the operating system.

    Args:
        error: The error.
        where: The file; by default the one that the error names.
        reading: Whether the file was only read.
    """
    number = error.errno or 0
    failed = "cannot be read" if reading else "cannot be read or written"
    return SetupError(
        failed if number in _OF_DISKS else "cannot use this file",
        where=where or str(error.filename or "this machine"),
        found=error.strerror or str(error),
        remedy=_REMEDIES.get(number, "fix the cause named above and try again"),
    )


def of_machine(error: OSError) -> SetupError | None:
    """Return what to say of an error that nobody expected; None if it may be a defect of ours."""
    return of_system(error) if error.errno in _REMEDIES else None


def meant(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """Return the remedy for a name that there is not: the nearest that there is, if one is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def proxy_refuses(where: str, found: str) -> SetupError:
    """Return the error of a proxy on the way that wants a name and a password."""
    return SetupError(
        "proxy does not let this through",
        where=where,
        expected="credentials in HTTPS_PROXY, or a host that NO_PROXY names",
        found=found,
        remedy="export HTTPS_PROXY=http://USER:PASSWORD@PROXY:PORT",
    )


def is_of_disk(text: str) -> bool:
    """Tell whether the words of a library are those of a disk or mount that fails."""
    return any(os.strerror(number) in text for number in _OF_DISKS)


def without_secrets(where: str) -> str:
    """Return a URI without the password and the signature that it may carry."""
    kind, separator, rest = where.partition("://")
    if not separator or " " in kind:
        return where
    # In a bucket, a `#` by itself is part of a name.
    behind = re.search(r"\?.|#." if kind.lower() in WEB else r"\?.|#.*=", rest, re.DOTALL)
    shown = rest[: behind.start()] if behind else rest
    host, slash, path = shown.partition("/")
    host = host.rpartition("@")[2]
    return f"{kind}://{host}{slash}{path}" + (f"{behind[0][0]}..." if behind else "")


FAMILY: dict[int, type[IdxpipeError]] = {
    cls.exit_code: cls
    for cls in (IdxpipeError, UsageError, DataError, GateError, SetupError, TransientError)
}


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the process with the error's message and exit code instead of a traceback.

    Raises:
        SystemExit: In place of any `IdxpipeError` raised inside, where a distribution that an
            extra brings is not installed, and where the disk or the machine fails.
    """
    try:
        yield
    except IdxpipeError as error:
        _end(error)
    except ModuleNotFoundError as error:
        absent = missing(error)
        if absent is None:
            raise
        _end(absent)
    except OSError as error:
        found = of_machine(error)
        if found is None:
            raise
        _end(found)


def _end(error: IdxpipeError) -> NoReturn:
    path = os.environ.get(FILE_VARIABLE)
    if path:
        with suppress(OSError), open(path, "w") as stream:
            json.dump({"text": str(error), **error.to_json()}, stream)
    print(f"{PREFIX}{error}", file=sys.stderr, flush=True)
    raise SystemExit(error.exit_code) from None
