"""The way back: a converted split as IDX files, NumPy files or PNG images."""

import dataclasses
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.convert.config import IDX, NPY, PNG
from idxpipe.components.convert.permutation import source_indices
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.examples import read_examples
from idxpipe.components.core.dataset.manifest import FILE_ORDER, Dataset, read_dataset, shard_uris
from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.core.idx.files import TYPE_WORDS
from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.report.png import encode_png
from idxpipe.components.core.stores.local import TEMPORARY
from idxpipe.components.core.transfer import upload

Part = tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]


@dataclasses.dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        uris: The files; for PNG images their folder.
        num_examples: Examples in them.
        in_source_order: Whether they stand in the order of the IDX files that were converted. A
            shuffled part of a data set keeps the order that it has.
    """

    uris: tuple[str, ...]
    num_examples: int
    in_source_order: bool


def export(uri: str, target: str, output: str) -> Exported:
    """Write the examples of a dataset as files of another format.

    IDX files are the bytes that were converted, if all of them were, of upright images and labels
    that are one number each.

    Args:
        uri: Folder of the dataset.
        target: `idx`, `npy` or `png`.
        output: Folder that gets them: two files, or a folder of one folder per class. Other files
            in it are left alone.

    Raises:
        DataError: If there is no dataset, or it is damaged; nothing is written then.
        SetupError: If the place cannot be written or is full.
        UsageError: If the files are there already, or the images are none that PNG can hold.
    """
    dataset = read_dataset(uri)
    names = _names(dataset, target)
    _check_free(output, names)
    whole = dataset.num_examples == dataset.source_examples
    parts = _parts(uri, dataset, whole)
    with _published(output, names) as folder:
        if target == PNG:
            _write_png(os.path.join(folder, names[0]), dataset, parts)
        else:
            _write_arrays([os.path.join(folder, name) for name in names], dataset, target, parts)
    in_order = whole or dataset.shuffle_seed == FILE_ORDER
    uris = tuple(storage.join(output, name) for name in names)
    return Exported(uris, dataset.num_examples, in_order)


def _names(dataset: Dataset, target: str) -> list[str]:
    split = dataset.split
    if target == PNG:
        shape, dtype = dataset.image_shape, dataset.image_dtype
        if dtype != "uint8" or (len(shape) == 3 and shape[2] not in (1, 3)):
            raise UsageError(
                "PNG cannot hold these images",
                where="--to",
                expected="uint8 images of one channel or three",
                found=f"{dtype} images of shape {'x'.join(map(str, shape))}",
                remedy=f"take {IDX} or {NPY}",
            )
        return [split]
    if target == NPY:
        return [f"{split}-images.npy", f"{split}-labels.npy"]
    rank = 1 + len(dataset.image_shape)
    return [
        f"{split}-images-idx{rank}-{TYPE_WORDS[dataset.image_dtype]}",
        f"{split}-labels-idx1-{TYPE_WORDS[dataset.label_dtype]}",
    ]


def _check_free(output: str, names: list[str]) -> None:
    for name in names:
        uri = storage.join(output, name)
        if storage.exists(uri) or storage.list_files(uri):
            raise UsageError(
                "there is something already",
                where=uri,
                expected="a new file or folder",
                remedy="give another --output, or remove it",
            )


def _parts(uri: str, dataset: Dataset, whole: bool) -> Iterator[Part]:
    """Yield places, images [rows, *image_shape] and labels [rows], some rows at a time."""
    # As the labels' file had them.
    first = _first_label(dataset)
    shuffled = whole and dataset.shuffle_seed != FILE_ORDER
    start = 0
    for images, labels in read_examples(shard_uris(uri, dataset), dataset):
        places = np.arange(start, start + len(labels))
        if shuffled:
            places = source_indices(places, dataset.num_examples, dataset.shuffle_seed)
        yield places, images.reshape(-1, *dataset.image_shape), labels + first
        start += len(labels)


def _first_label(dataset: Dataset) -> int:
    return int(dataset.layout.get("label_offset", 0))


def _write_arrays(paths: list[str], dataset: Dataset, target: str, parts: Iterator[Part]) -> None:
    shape = (dataset.num_examples, *dataset.image_shape)
    images = _create(paths[0], target, dataset.image_dtype, shape)
    labels = _create(paths[1], target, dataset.label_dtype, shape[:1])
    for places, some_images, some_labels in parts:
        images[places], labels[places] = some_images, some_labels
    images.flush()
    labels.flush()


def _create(path: str, target: str, name: str, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """Return the array in a new file of an IDX or NumPy array, all zeros."""
    if target == IDX:
        dtype = np.dtype(name).newbyteorder(">")
        header = Header(name, shape).encode()
    else:
        dtype = np.dtype(name).newbyteorder("<")
        begin = io.BytesIO()
        facts = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(begin, facts)
        header = begin.getvalue()
    with open(path, "wb") as stream:
        stream.write(header)
        stream.flush()
        # Now, as a disk that is full later would end the process.
        os.posix_fallocate(stream.fileno(), 0, len(header) + int(np.prod(shape)) * dtype.itemsize)
    return np.memmap(path, dtype, "r+", len(header), shape)


def _write_png(folder: str, dataset: Dataset, parts: Iterator[Part]) -> None:
    """Write FOLDER/LABEL/NUMBER.png, which Keras and torchvision read as labelled images."""
    first = _first_label(dataset)
    label_width = len(str(dataset.num_classes - 1 + first))
    width = len(str(dataset.num_examples - 1))
    for label in np.flatnonzero(dataset.class_counts) + first:
        os.makedirs(os.path.join(folder, f"{label:0{label_width}d}"))
    one_channel = dataset.image_shape[2:] == (1,)
    for places, images, labels in parts:
        pixels = images[..., 0] if one_channel else images
        for place, image, label in zip(places, pixels, labels, strict=True):
            name = os.path.join(folder, f"{label:0{label_width}d}", f"{place:0{width}d}.png")
            with open(name, "wb") as stream:
                stream.write(encode_png(image))


@contextmanager
def _published(output: str, names: list[str]) -> Iterator[str]:
    """Yield a local folder; what is in it at the end appears in `output`, unless there is an error.

    Raises:
        SetupError: If a place cannot be written or is full.
    """
    local = storage.is_local(output)
    base = storage.local_path(output) if local else tempfile.gettempdir()
    new = not os.path.isdir(base)
    try:
        os.makedirs(base, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}export-", dir=base) as folder:
            yield folder
            if not local:
                upload(folder, output, storage.list_files(folder))
                return
            for name in names:
                os.rename(os.path.join(folder, name), os.path.join(base, name))
    except OSError as error:
        raise SetupError(
            "cannot write the export",
            where=base,
            found=error.strerror or str(error),
            remedy="free disk space, or give another folder that can be written",
        ) from None
    finally:
        if new:
            # Goes only if it is empty: there was an error.
            with suppress(OSError):
                os.rmdir(base)
