"""One file of a data set: its beginning, then all of it; every fault is kept."""

import dataclasses
from collections.abc import Callable, Iterator

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.checks import (
    Head,
    Look,
    length_fault,
    read_content,
    read_head,
    size_faults,
    stored_fingerprint,
)
from idxpipe.components.core.idx.header import Header

Faults = Callable[[str, Header], Iterator[DataError]]


@dataclasses.dataclass
class Inspection:
    """What is known of one file so far.

    Attributes:
        uri: Where it is.
        head: Its begin; None if it is no IDX file.
        fits: Whether the header is one of what the file is given as.
        fingerprint: Of its content; None if that was not read, or is not what the header says.
        faults: What is wrong with it, in the order of its bytes as far as that is known.
    """

    uri: str
    head: Head | None = None
    fits: bool = False
    fingerprint: Fingerprint | None = None
    faults: list[DataError] = dataclasses.field(default_factory=list)

    @property
    def header(self) -> Header:
        """What the file says that it holds.

        Raises:
            ValueError: If it is no IDX file.
        """
        if self.head is None:
            raise ValueError(self.uri)
        return self.head.header

    @property
    def compressed(self) -> bool | None:
        """Whether it is stored as gzip; None if nobody knows."""
        return None if self.head is None else self.head.compressed

    def has(self, *codes: Code) -> bool:
        """Tell whether one of these faults was found."""
        return any(fault.code in codes for fault in self.faults)


def inspect_head(uri: str, faults: Faults) -> Inspection:
    """Look at the beginning of a file, its length, and the checksum that its store keeps.

    Args:
        uri: The file.
        faults: Yields what is wrong with its header, given what it is for.
    """
    file = Inspection(uri)
    try:
        file.head = read_head(uri)
        file.faults += faults(uri, file.header)
        # Header and bytes may both be right, and only the file be the wrong one.
        wrong_kind = {Code.IMAGE_SHAPE, Code.CHANNELS_FIRST, Code.LABEL_COLUMN, Code.ONE_HOT}
        file.fits = all(fault.code in wrong_kind for fault in file.faults)
        fault = None if file.has(Code.ABSURD) else length_fault(file.head)
        if fault:
            file.faults.append(fault)
        else:
            file.fingerprint = stored_fingerprint(file.head)
    except DataError as error:
        file.faults.append(error)
    return file


def inspect_content(file: Inspection, look: Look | None) -> None:
    """Read all of a file, as far as it can be read, and take its fingerprint.

    Args:
        file: From `inspect_head`; what is found is added to it.
        look: See `checks.read_content`.
    """
    if file.head is None or any(size_faults(file.uri, file.header)):
        return
    members: list[int] = []
    try:
        file.fingerprint = read_content(file.head, look, members.append)
    except DataError as error:
        # Of a plain file, the length was known before.
        if not file.has(*([error.code] if error.code else [])):
            file.faults.append(error)
    if members:
        file.faults.append(
            DataError(
                "gzip file has several members",
                where=file.uri,
                offset=members[0],
                expected="one",
                found=len(members) + 1,
                remedy="pack it anew as one, for readers that stop at the first",
                code=Code.GZIP_MEMBERS,
            )
        )
