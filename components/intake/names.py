"""What the names of files, folders and arrays say: split, kind and class."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.labels import MAX_CLASSES
from idxpipe.components.core.printable import printable

TRAIN, TEST, VALIDATION = "train", "test", "validation"
IMAGES, LABELS = "images", "labels"
# As publishers name them: Keras' mnist.npz (x_train, y_train, x_test, y_test), MedMNIST
# (train_images, val_labels, ...), KMNIST (kmnist-train-imgs.npz), Kaggle (mnist_train.csv).
_SPLITS = {
    "train": TRAIN,
    "training": TRAIN,
    "test": TEST,
    "testing": TEST,
    "t10k": TEST,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
}
_KINDS = {
    **dict.fromkeys(("x", "image", "images", "img", "imgs"), IMAGES),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), LABELS),
}
LABEL_COLUMNS = ("label", "class", "y", "target")


def split_of(name: str) -> str:
    """Return the split that a name names; empty if none."""
    return _word(name, _SPLITS)


def kind_of(name: str) -> str:
    """Return whether a name names `IMAGES` or `LABELS`; empty if neither."""
    return _word(name, _KINDS)


def _word(name: str, known: dict[str, str]) -> str:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((known[word] for word in words if word in known), "")


def choose_splits(named: Iterable[str]) -> dict[str, str]:
    """Return for each split that is used what it becomes.

    A validation split stands in for a test split that is missing; beside one it is not used. Where
    nothing is named after the training split, only what is named after none is used.

    Args:
        named: Splits that a source names; empty is what is named after none.
    """
    there = set(named)
    if TRAIN not in there:
        return {"": ""} if "" in there else {}
    held = TEST if TEST in there else VALIDATION if VALIDATION in there else ""
    return {TRAIN: TRAIN, **({held: TEST} if held else {})}


def number_classes(names: Sequence[str], where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the labels of examples whose classes have these names, and the names by label.

    Whole numbers are the labels themselves. Other names are numbered in the order of their code
    points, as Keras' `image_dataset_from_directory` and torchvision's `ImageFolder` do.

    Args:
        names: The class of each example.
        where: What they are of, for errors.

    Returns:
        int64 [N], and a name for each label from 0 to the largest.

    Raises:
        DataError: If there are too many classes, or a number is spelt in two ways.
    """
    distinct = sorted(set(names))
    if distinct and all(name.isascii() and name.isdigit() for name in distinct):
        numbers = {name: int(name) for name in distinct}
        spelt = {number: name for name, number in numbers.items()}
        for name, number in numbers.items():
            if spelt[number] != name:
                raise DataError(
                    "two classes have the same number",
                    where=where,
                    expected="one spelling of each",
                    found=f"{name} and {spelt[number]}",
                    remedy="merge them, or give them names that are not numbers",
                )
        class_names = tuple(map(str, range(max(spelt) + 1))) if max(spelt) < MAX_CLASSES else ()
    else:
        numbers = {name: number for number, name in enumerate(distinct)}
        class_names = tuple(distinct) if len(distinct) <= MAX_CLASSES else ()
    if distinct and not class_names:
        raise DataError(
            "too many classes",
            where=where,
            expected=f"labels below {MAX_CLASSES}",
            found=f"{len(distinct)} classes, such as {printable(distinct[-1])}",
            remedy="check that these are classes, and not names of single images",
        )
    return np.array([numbers[name] for name in names], np.int64), class_names
