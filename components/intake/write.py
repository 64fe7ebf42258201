"""A data set as files: four of IDX, the names of its classes, and where each example came from."""

import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.idx.files import TYPE_WORDS
from idxpipe.components.core.idx.header import Header
from idxpipe.components.intake.found import Bad, Part

CLASSES, SOURCES, SKIPPED = "classes.json", "sources.csv", "skipped.csv"
SCHEMA_VERSION = 1
# As MNIST's publishers call the splits.
STEMS = {"train": "train", "test": "t10k"}
_BLOCK_BYTES = 8 << 20
_BLOCK_ROWS = 10_000
_GZIP_LEVEL = 2


@dataclasses.dataclass(frozen=True)
class Picked:
    """Examples of one part that go to one split.

    Attributes:
        part: The part.
        rows: Which of it, in order: int64 [rows].
    """

    part: Part
    rows: NDArray[np.int64]


def write_split(folder: str, split: str, picked: Sequence[Picked], *, gzip: bool) -> dict[str, str]:
    """Write images and labels of a split; return the names of the files by their role.

    Args:
        folder: Where to.
        split: `train` or `test`.
        picked: Its examples, in order.
        gzip: Whether the files are gzip.

    Raises:
        SetupError: If the place cannot be written or is full.
    """
    count = sum(len(some.rows) for some in picked)
    first = picked[0].part.images
    labels = np.concatenate([some.part.labels[some.rows] for some in picked])
    kinds = {
        "images": Header(first.dtype.name, (count, *first.shape[1:])),
        "labels": Header(label_type(int(labels.max())), (count,)),
    }
    written = {}
    for kind, header in kinds.items():
        dtype = np.dtype(header.dtype).newbyteorder(">")
        word = TYPE_WORDS[header.dtype]
        name = f"{STEMS[split]}-{kind}-idx{len(header.shape)}-{word}" + (".gz" if gzip else "")
        with _create(storage.join(folder, name), gzip=gzip) as stream:
            stream.write(header.encode())
            for block in _blocks(picked) if kind == "images" else [labels]:
                stream.write(np.ascontiguousarray(block, dtype).tobytes())
        written[f"{split}_{kind}"] = name
    return written


def label_type(largest: int) -> str:
    """Return the smallest type of IDX files that holds labels up to `largest`."""
    return next(t for t in ("uint8", "int16", "int32") if largest <= np.iinfo(t).max)


def write_classes(folder: str, names: Sequence[str]) -> None:
    """Write the names of the classes, in the order of their labels."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, "class_names": list(names)}, indent=2)
    storage.write(storage.join(folder, CLASSES), f"{text}\n".encode())


def write_sources(
    folder: str, splits: dict[str, Sequence[Picked]], class_names: Sequence[str]
) -> None:
    """Write where each example came from: split, index in its files, label, class, source."""

    def rows() -> Iterator[tuple[Any, ...]]:
        yield "split", "index", "label", "class", "source"
        for split, picked in splits.items():
            index = 0
            for some in picked:
                for row in some.rows:
                    label = int(some.part.labels[row])
                    yield split, index, label, class_names[label], some.part.origins[row]
                    index += 1

    _write_table(storage.join(folder, SOURCES), rows())


def write_skipped(folder: str, bad: Sequence[Bad]) -> None:
    """Write what was left out, and why."""
    rows: list[tuple[str, str]] = [("source", "reason")]
    rows += [(each.name, each.reason) for each in bad]
    _write_table(storage.join(folder, SKIPPED), rows)


def _write_table(uri: str, rows: Iterable[tuple[Any, ...]]) -> None:
    left = iter(rows)
    with storage.create(uri) as stream:
        while some := list(itertools.islice(left, _BLOCK_ROWS)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(some)
            # Names of files need not be text.
            stream.write(text.getvalue().encode(errors="backslashreplace"))


def _blocks(picked: Sequence[Picked]) -> Iterator[NDArray[Any]]:
    for some in picked:
        images = some.part.images
        size = max(
            1, _BLOCK_BYTES // max(1, int(np.prod(images.shape[1:])) * images.dtype.itemsize)
        )
        for start in range(0, len(some.rows), size):
            yield images[some.rows[start : start + size]]


@contextmanager
def _create(uri: str, *, gzip: bool) -> Iterator[BinaryIO | Any]:
    with storage.create(uri) as stream:
        if not gzip:
            yield stream
            return
        from isal import isal_zlib

        packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, 31)
        yield _Packing(packer, stream)
        stream.write(packer.flush())


class _Packing:
    """A stream that packs what is written to it; its header holds neither time nor name."""

    def __init__(self, packer: Any, stream: BinaryIO) -> None:
        self._packer = packer
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(self._packer.compress(data))
