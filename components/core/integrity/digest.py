"""The digests of a model's files: what its card lists, and what a model is checked against."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import google_crc32c

from idxpipe.components.core import storage
from idxpipe.components.core.errors import NO_CACHE, DataError
from idxpipe.components.core.stores.litter import is_litter

# Names both digests itself, and so cannot be in them.
CARD, README = "model.json", "README.md"
TRAIN_AGAIN = (
    "train again: idxpipe run, or idxpipe train into the same folders, goes on from the "
    f"checkpoints, and exports the model without a step of training; {NO_CACHE}"
)
_BLOCK_BYTES = 4 << 20
# What TensorFlow would read of a SavedModel's folder if it lay there.
# Source: tensorflow/python/saved_model/loader_impl.py and path_helpers.py.
_READ = ("saved_model.", "fingerprint.pb", "variables/", "assets/", "assets.extra/")


@dataclasses.dataclass(frozen=True)
class FileDigest:
    """What a file is.

    Attributes:
        bytes: Its length.
        crc32c: CRC32C of its bytes.
        sha256: SHA-256 of them, in hexadecimal.
    """

    bytes: int
    crc32c: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.bytes} bytes, CRC32C {self.crc32c:08x}, SHA-256 {self.sha256}"

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ValueError: If one cannot be.
        """
        numbers = type(self.bytes) is int and type(self.crc32c) is int and self.bytes >= 0
        text = isinstance(self.sha256, str) and len(self.sha256) == 64
        if not (numbers and text and 0 <= self.crc32c < 2**32):
            raise ValueError(f"digest of a file: {vars(self)}")

    def to_json(self) -> dict[str, Any]:
        """Return what a card holds of the file."""
        return {"bytes": self.bytes, "crc32c": f"{self.crc32c:08x}", "sha256": self.sha256}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FileDigest":
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: If it is something else.
        """
        return cls(value["bytes"], int(value["crc32c"], 16), value["sha256"])


def digest_file(uri: str) -> FileDigest:
    """Return the digest of a file, read block by block.

    Raises:
        DataError: If it is not there.
    """
    size, crc, sha = 0, 0, hashlib.sha256()
    with storage.open_read(uri) as stream:
        while block := stream.read(_BLOCK_BYTES):
            size += len(block)
            crc = google_crc32c.extend(crc, block)
            sha.update(block)
    return FileDigest(size, crc, sha.hexdigest())


def digest_files(folder: str) -> dict[str, FileDigest]:
    """Return the digest of each file in a folder, by name; but for model.json, which lists them."""
    names = [name for name in storage.list_files(folder) if name != CARD and not is_litter(name)]
    return {name: digest_file(os.path.join(folder, name)) for name in names}


def digest_of(files: Mapping[str, FileDigest]) -> str:
    """Return the digest of a model: the SHA-256 of the lines that `sha256sum` prints of its files.

    In the order of their names, without README.md, which names it; empty if there are none.
    """
    lines = [f"{one.sha256}  {name}\n" for name, one in sorted(files.items()) if name != README]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def check_files(
    path: str, uri: str, listed: Mapping[str, FileDigest], without: tuple[str, ...] = ()
) -> None:
    """Check that a model's files are those that its card lists.

    Args:
        path: The local folder that they are read from.
        uri: What to call it in errors.
        listed: What the card lists; nothing in cards of earlier versions, which is not checked.
        without: Names of files that are not read.

    Raises:
        DataError: Naming the first file that is missing, changed, or one too many.
    """
    if not listed:
        return
    found = storage.list_files(path)
    for name, expected in listed.items():
        if name in without:
            continue
        if name not in found:
            raise _differs(uri, name, expected, "no such file")
        digest = digest_file(os.path.join(path, name))
        if digest != expected:
            raise _differs(uri, name, expected, digest)
    check_no_more(uri, found, listed)


def check_stored(uri: str, listed: Mapping[str, FileDigest]) -> None:
    """Check a model where it lies, by the store's own checksums where it keeps them.

    Raises:
        DataError: As `check_files`.
        TransientError: If the store fails again and again.
    """
    if not listed:
        return
    found = storage.list_files(uri)
    for name, expected in listed.items():
        place = storage.join(uri, name)
        if name not in found:
            raise _differs(uri, name, expected, "no such file")
        stored = storage.stored_crc32c(place)
        if stored is None:
            digest = digest_file(place)
            if digest != expected:
                raise _differs(uri, name, expected, digest)
        elif (found[name], stored) != (expected.bytes, expected.crc32c):
            raise _differs(uri, name, expected, f"{found[name]} bytes, CRC32C {stored:08x}")
    check_no_more(uri, found, listed)


def check_no_more(uri: str, found: Mapping[str, int], listed: Mapping[str, FileDigest]) -> None:
    """Check that a model's folder has no file that TensorFlow would read and the card not list.

    Raises:
        DataError: If it has one.
    """
    for name in found:
        if name.startswith(_READ) and name not in listed and not is_litter(name):
            raise DataError(
                "model has a file that its card does not list",
                where=storage.join(uri, name),
                expected=f"none but those of its {CARD}",
                found=f"{found[name]} bytes",
                remedy="move it away, or train again",
            )


def _differs(uri: str, name: str, expected: FileDigest, found: object) -> DataError:
    return DataError(
        "a file of the model is not what its card lists",
        where=storage.join(uri, name),
        expected=expected,
        found=found,
        remedy=TRAIN_AGAIN,
    )
