"""A source file as the workers can read it: plain, so that a shard is a byte range of it."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from idxpipe.components.convert.feed import Feed, feed
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.checks import (
    check_images,
    check_labels,
    read_header,
    scan,
    scan_labels,
)
from idxpipe.components.core.idx.content import is_gzip
from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.idx.labels import label_column
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.core.stores.local import scratch
from idxpipe.components.core.stores.temporary import temporary_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from idxpipe.components.core.idx.labels import Buffer

STAGING = "_staging"
_USUAL = PixelOrder()


@dataclasses.dataclass(frozen=True)
class Source:
    """One checked source file.

    Attributes:
        uri: Where the user has it.
        plain: Where it is unpacked; the same where it was not packed.
        header: What it holds.
        expected: The fingerprint that its content must have; empty accepts any.
        column: Of labels, which number of a record is the label.
        order: Of images, how their pixels are stored.
        label_offset: Of labels, the label of class 0.
        version: Of a file that is not copied, what `storage.version` told before it was read.
    """

    uri: str
    plain: str
    header: Header
    expected: str
    column: int = 0
    order: PixelOrder = _USUAL
    label_offset: int = 0
    version: str | None = None

    def checked(self, found: Fingerprint) -> "Source":
        """Return this source, from now on expected to have the content that was found.

        Raises:
            DataError: If it is not the expected one.
        """
        self.check_content(found)
        return dataclasses.replace(self, expected=str(found))

    def check_content(self, found: Fingerprint) -> None:
        """Check that the content is the expected one.

        Raises:
            DataError: If it is not.
        """
        check_content(self.uri, self.expected, found)

    def labels(self, data: "Buffer") -> "NDArray[np.integer[Any]]":
        """Return the classes in some whole records of a labels file: [records]."""
        return label_column(data, self.header, self.column, self.label_offset)

    def check_still(self, *, whole: bool) -> None:
        """Check that a file that is not a copy did not change: the workers may have seen another.

        Args:
            whole: Whether they read all of it, so that it need not be read once more.

        Raises:
            DataError: If its content is another.
            TransientError: If it was written to.
        """
        if self.plain == self.uri:
            storage.check_unchanged(self.uri, self.version)
            if not whole:
                self.check_content(scan(self.uri, lambda uri, header: None).fingerprint)


def check_content(uri: str, expected: str, found: Fingerprint) -> None:
    """Check the content of a source file.

    Args:
        uri: Where the user has it.
        expected: Its fingerprint; empty accepts any.
        found: The fingerprint of what was read.

    Raises:
        DataError: If they differ.
    """
    if expected and found != Fingerprint.parse(expected):
        raise DataError(
            "file changed since it was validated",
            where=uri,
            expected=f"fingerprint {expected}",
            found=f"fingerprint {found}",
            remedy="start again from validate",
        )


@contextmanager
def staging_folder(output: str, local_workers: bool) -> Iterator[str]:
    """Yield a folder for unpacked files that the workers can read; it goes at the end."""
    if local_workers:
        with temporary_folder("staging") as folder:
            yield folder
        return
    folder = storage.join(output, STAGING)
    try:
        yield folder
    finally:
        storage.delete(folder)


@contextmanager
def open_images(
    uri: str, layout: LayoutConfig, expected: str, staging: str, access: "Access"
) -> Iterator[tuple[Source, "Future[Source]"]]:
    """Check an images file; bring it where the workers can read it as they want to.

    Yields:
        The source, and the same once all of it was checked.

    Raises:
        DataError: If it is not in order, not the expected one, or its images have
            another shape.
    """
    check = check_images(layout.shape, layout.order)
    version = storage.version(uri)
    header = read_header(uri)
    check(uri, header)
    plain = storage.join(staging, "images")
    source = Source(uri, plain, header, expected, order=layout.order)
    if not access.copies(uri):
        source = dataclasses.replace(source, plain=uri, version=version)
        if not access.whole:
            source = source.checked(scan(uri, check).fingerprint)
        yield source, _done(source)
    elif access.fed:
        with feed(source.plain, header.data_offset) as fed, ThreadPoolExecutor(1) as thread:
            try:
                yield source, thread.submit(_unpack, source, fed)
            finally:
                fed.abandon()
    else:
        with _copy_to(source, access.local) as look:
            found = scan(uri, check, look).fingerprint
        yield source.checked(found), _done(source.checked(found))


def _unpack(source: Source, fed: Feed) -> Source:
    try:
        found = scan(source.uri, lambda uri, header: None, lambda data, _: fed.put(data))
        return source.checked(found.fingerprint)
    except Exception as error:
        # Whatever it is: who waits for the next bytes would wait for ever.
        fed.put(error)
        raise


def _done(source: Source) -> "Future[Source]":
    done: Future[Source] = Future()
    done.set_result(source)
    return done


def open_labels(
    uri: str, layout: LayoutConfig, expected: str, staging: str, access: "Access"
) -> tuple[Source, int]:
    """Check a labels file, every label of it; bring it where the workers can read it.

    Returns:
        The source, and the largest label.

    Raises:
        DataError: If it is not in order, not the expected one, or a label is not in
            [0, num_classes).
    """
    version = storage.version(uri)
    header, column = read_header(uri), layout.column
    check_labels(uri, header, column)
    plain = storage.join(staging, "labels") if access.copies(uri) else uri
    offset = layout.label_offset
    source = Source(uri, plain, header, expected, column, label_offset=offset, version=version)
    with _copy_to(source, access.local) if plain != uri else nullcontext() as look:
        file, largest = scan_labels(uri, layout.num_classes, look, column, layout.label_offset)
    return source.checked(file.fingerprint), largest


@dataclasses.dataclass(frozen=True)
class Access:
    """How the workers read the sources.

    Attributes:
        whole: From the first byte to the last, so that what they read tells whether it changed.
        scattered: Record by record, in another order.
        local: On this machine.
        fed: In order, once, in this process; packed images are then not copied, and they are read
            before they are known to be whole.
    """

    whole: bool
    scattered: bool
    local: bool
    fed: bool = False

    def copies(self, uri: str) -> bool:
        """Tell whether the workers need a copy: plain, and near if they jump about in it."""
        return is_gzip(uri) or (self.scattered and self.local and not storage.is_local(uri))


@contextmanager
def _copy_to(source: Source, local: bool) -> Iterator[Callable[[bytes, int], None]]:
    with scratch(source.plain) if local else storage.create(source.plain) as stream:
        stream.write(source.header.encode())

        def look(data: bytes, _offset: int) -> None:
            stream.write(data)

        yield look
