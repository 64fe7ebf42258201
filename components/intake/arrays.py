"""NumPy's .npy and .npz files: pairs of images and labels, told apart by their names."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.labels import MAX_CLASSES
from idxpipe.components.core.printable import printable
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.found import Found, Images, Part
from idxpipe.components.intake.names import (
    IMAGES,
    LABELS,
    choose_splits,
    kind_of,
    number_classes,
    split_of,
)
from idxpipe.components.intake.shapes import as_images, fitted, image_type
from idxpipe.components.intake.tree import ARCHIVE_ERRORS, Archive, Tree, damaged, local_copy

SUFFIXES = (".npy", ".npz")
# What NumPy calls an array that was saved without a name: the file's name says more.
_NAMELESS = "arr_0"


def is_array(name: str) -> bool:
    """Tell whether a file is named as NumPy's are."""
    return name.lower().endswith(SUFFIXES)


def read_arrays(tree: Tree, config: ImportConfig, scratch: str) -> Found:
    """Map the arrays of images into memory and read their labels.

    Args:
        tree: A .npz file, or .npz and .npy files.
        config: See there.
        scratch: Local folder for what has to be unpacked.

    Raises:
        UsageError: If names do not say which arrays are images and which labels.
        DataError: If an array is damaged, of objects, or neither images nor labels.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name in filter(is_array, tree.files):
        arrays |= dict(_arrays_of(tree, name, scratch))
    pairs, left_out = _pair(tree.uri, arrays)
    left_out += [name for name in tree.files if not is_array(name)]
    words = {
        split: _label_words(arrays[labels], f"{tree.uri}: {printable(labels)}")
        for split, (_, labels) in pairs.items()
    }
    everything, class_names = number_classes(
        [word for some in words.values() for word in some], tree.uri
    )
    parts, start = [], 0
    for split, (images, _) in pairs.items():
        labels = everything[start : start + len(words[split])]
        start += len(labels)
        parts.append(_part(tree.uri, split, images, arrays[images], labels, config))
    total = sum(len(part.labels) for part in parts)
    return Found(tuple(parts), class_names, True, (), total, tuple(left_out))


def _arrays_of(tree: Tree, name: str, scratch: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays in a file, mapped into memory: what a header claims is never allocated."""
    stem = os.path.splitext(name)[0]
    path = local_copy(tree, name, scratch)
    if name.lower().endswith(".npy"):
        yield stem, _map(path, tree.uri, name)
        return
    archive = Archive(tree.uri, path)
    members = [member for member in archive.files if member.endswith(".npy")]
    if not members:
        raise DataError("not a .npz file", where=tree.uri, found=f"no arrays in {printable(name)}")
    for number, member in enumerate(members):
        key = member.removesuffix(".npy")
        copy = os.path.join(scratch, f"{number}-{len(os.listdir(scratch))}.npy")
        _unpack(archive, member, copy)
        yield (stem if key == _NAMELESS else key), _map(copy, tree.uri, key)


def _unpack(archive: Archive, member: str, path: str) -> None:
    try:
        with archive.open(member) as packed, storage.create(path) as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)
    except ARCHIVE_ERRORS as error:
        raise damaged(archive.uri, member, error) from None


def _map(path: str, uri: str, name: str) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    # Its header is parsed as Python, with whatever that raises.
    except Exception as error:
        if "objects" in str(error) or "pickle" in str(error).lower():
            raise DataError(
                "array of Python objects, which would have to be unpickled",
                where=uri,
                found=printable(name),
                remedy="save it with a type of numbers, such as uint8",
            ) from None
        raise damaged(uri, name, error) from None


def _pair(
    uri: str, arrays: dict[str, NDArray[Any]]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return the names of images and labels of each split, and of the arrays without a part."""
    names = {name: (split_of(_last(name)), kind_of(_last(name))) for name in arrays}
    by_role: dict[tuple[str, str], list[str]] = {}
    for name, role in names.items():
        by_role.setdefault(role, []).append(name)
    splits = {split for split, kind in by_role if kind}
    meaning = choose_splits(splits)
    pairs = {}
    for split, target in meaning.items():
        images, labels = (by_role.get((split, kind), []) for kind in (IMAGES, LABELS))
        if len(images) != 1 or len(labels) != 1:
            raise _unclear(uri, list(arrays))
        pairs[target] = images[0], labels[0]
    if not pairs:
        raise _unclear(uri, list(arrays))
    used = {name for pair in pairs.values() for name in pair}
    return pairs, [name for name in arrays if name not in used]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _unclear(uri: str, names: list[str]) -> UsageError:
    return UsageError(
        "names do not say which arrays are images and which labels",
        where=uri,
        expected="pairs such as x_train and y_train, train_images and train_labels, or x and y; "
        "a .npy file holds one array: give the folder of both",
        found=printable(", ".join(names)) or "no arrays",
        remedy="save the arrays under such names",
    )


def _label_words(labels: NDArray[Any], where: str) -> list[str]:
    """Return labels as text.

    Raises:
        DataError: If they are no labels.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            "not an array of labels",
            where=where,
            expected="one number for each image",
            found=format_shape(labels.shape),
            remedy="save its argmax(axis=1), if each row is a class's indicator",
        )
    if labels.dtype.kind == "U":
        return [str(label) for label in labels]
    if labels.dtype.kind not in "iu":
        raise DataError(
            "labels are not whole numbers",
            where=where,
            expected="integers, or text",
            found=labels.dtype.name,
            remedy='save them after astype("int32")',
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= MAX_CLASSES))
    if len(wrong):
        raise DataError(
            "label out of range",
            where=where,
            expected=f"0 to {MAX_CLASSES - 1}",
            found=f"{labels[wrong].max() if labels[wrong].max() > 0 else labels[wrong].min()}, "
            f"{len(wrong)} in all out of range",
        )
    return [str(label) for label in labels.tolist()]


def _part(
    uri: str,
    split: str,
    name: str,
    array: NDArray[Any],
    labels: NDArray[np.int64],
    config: ImportConfig,
) -> Part:
    where = f"{uri}: {printable(name)}"
    if array.ndim == 0 or len(array) != len(labels):
        count = len(array) if array.ndim else 0
        raise DataError(
            "images and labels differ in number",
            where=where,
            expected="a label for each image",
            found=f"{count} images and {len(labels)} labels",
        )
    if not len(array):
        raise DataError("no examples", where=where, expected="one at least", found="none")
    images = as_images(array, config, where)
    typed: Images = Typed(images, image_type(images, where))
    origins = [f"{name}[{row}]" for row in range(len(labels))]
    return Part(split, fitted(typed, config, where), labels, origins)


class Typed:
    """An array whose rows are converted when they are asked for.

    Args:
        array: [N, ...].
        dtype: NumPy name of a type that holds all of its values.
    """

    def __init__(self, array: NDArray[Any], dtype: str) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = np.dtype(dtype)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._array[rows].astype(self.dtype)
