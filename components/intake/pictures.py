"""Folders of images, one per class, perhaps in folders named after splits."""

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.printable import printable
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.intake.config import COLOUR, GREY, ImportConfig
from idxpipe.components.intake.decode import (
    BAD,
    MODE,
    SIZE,
    SUFFIXES,
    Fit,
    Unfit,
    check_pillow,
    decode,
)
from idxpipe.components.intake.found import Bad, Found, ImagesError, Part
from idxpipe.components.intake.names import TRAIN, choose_splits, number_classes, split_of
from idxpipe.components.intake.pool import decode_all
from idxpipe.components.intake.tree import Tree, no_source, read_file


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image file.

    Attributes:
        name: Its name in the source.
        split: `train`, `test`, or empty.
        class_name: The folder that says what it is.
    """

    name: str
    split: str
    class_name: str


def is_picture(name: str) -> bool:
    """Tell whether a file is named as an image is."""
    return name.lower().endswith(SUFFIXES)


def read_pictures(tree: Tree, config: ImportConfig, scratch: str) -> Found:
    """Decode the images of all classes, into a file in the local folder `scratch`.

    Raises:
        DataError: If images differ in size or mode and no flag says what to do, or classes are
            none.
    """
    check_pillow()
    if config.image_shape:
        raise UsageError(
            "image files have a shape of their own",
            where="--image-shape",
            expected="a source of rows of numbers",
            found=printable(tree.uri),
            remedy="leave it out; --resize HxW scales images",
        )
    names = [name for name in tree.files if is_picture(name)]
    pictures, left_out = _arrange(tree.uri, names)
    left_out += [name for name in tree.files if not is_picture(name)]
    labels, class_names = number_classes([picture.class_name for picture in pictures], tree.uri)
    used = [picture.name for picture in pictures]
    fit, unusable = _fit(tree, used, config)
    if fit is None:
        bad = tuple(Bad(name, str(unusable[name])) for name in used)
        return Found((), class_names, False, bad, len(used), tuple(left_out))
    images, unfit = decode_all(tree, used, fit, os.path.join(scratch, "pixels"))
    _refuse_differing(tree.uri, used, fit, unfit)
    good = np.ones(len(used), np.bool_)
    good[list(unfit)] = False
    splits = np.array([picture.split for picture in pictures])
    parts = []
    for split in dict.fromkeys(splits.tolist()):
        rows = np.flatnonzero(good & (splits == split))
        parts.append(Part(split, Rows(images, rows), labels[rows], [used[row] for row in rows]))
    bad = tuple(Bad(used[row], str(unfit[row])) for row in sorted(unfit))
    return Found(tuple(parts), class_names, False, bad, len(used), tuple(left_out))


class Rows:
    """Some rows of an array, which are only read when they are asked for.

    Args:
        array: [N, ...].
        rows: Which.
    """

    def __init__(self, array: Any, rows: Any) -> None:
        self._array = array
        self._rows = rows
        self.shape = (len(rows), *array.shape[1:])
        self.dtype = array.dtype

    def __getitem__(self, places: Any) -> Any:
        return self._array[self._rows[places]]


def _arrange(uri: str, names: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Return the images with split and class, and the names of those that have no part in it."""
    paths = [name.split("/") for name in names]
    # What an archive holds is often all in one folder.
    depth = 0
    while (
        len({tuple(path[: depth + 1]) for path in paths}) == 1
        and min(map(len, paths)) > depth + 2
        and not split_of(paths[0][depth])
    ):
        depth += 1
    folders = {path[depth] for path in paths if len(path) > depth + 1}
    splits = {name: split_of(name) for name in folders}
    targets = choose_splits(splits.values())
    meaning = {name: targets.get(split) for name, split in splits.items()}
    # Where nothing is named after training, folders are classes, whatever they are called.
    if TRAIN in targets:
        depth += 1
    else:
        meaning = {}
    pictures, left_out = [], []
    for name, path in zip(names, paths, strict=True):
        split = meaning.get(path[depth - 1]) if meaning else ""
        if split is None:
            left_out.append(name)
        elif len(path) < depth + 2:
            raise no_source(
                uri,
                f"an image in no folder of a class: {printable(name)}",
                "put the images of each class in a folder of its own",
            )
        else:
            pictures.append(Picture(name, split, path[depth]))
    return pictures, left_out


def _fit(
    tree: Tree, names: Sequence[str], config: ImportConfig
) -> tuple[Fit | None, dict[str, Unfit]]:
    """Return what every image must be: as the flags say, else as the first that can be used.

    Also why those before it cannot be; if none can, there is no fit.
    """
    fit = Fit(config.size, config.channels, config.size is not None, config.channels is not None)
    unusable: dict[str, Unfit] = {}
    for name in names:
        try:
            shape = decode(read_file(tree, name), fit).shape
        except Unfit as reason:
            unusable[name] = reason
        except DataError as error:
            unusable[name] = Unfit(BAD, f"{error.problem}: {error.found}")
        else:
            channels = COLOUR if len(shape) == 3 else GREY
            return dataclasses.replace(fit, size=shape[:2], channels=channels), unusable
    return None, unusable


def _refuse_differing(uri: str, names: Sequence[str], fit: Fit, unfit: dict[int, Unfit]) -> None:
    """Refuse sound images of several sizes or modes."""
    assert fit.size  # noqa: S101 - it is that of the first image
    usual = {
        SIZE: format_shape(fit.size),
        MODE: "grey" if fit.channels == GREY else "colour",
    }
    for kind, problem, remedy in (
        (SIZE, "images differ in size", "give --resize HxW to scale all of them"),
        (MODE, "images differ in mode", "give --grayscale or --rgb to make all of them the same"),
    ):
        counts = Counter(str(reason) for reason in unfit.values() if reason.kind == kind)
        if not counts:
            continue
        counts[usual[kind]] = len(names) - sum(1 for r in unfit.values() if r.kind in (kind, BAD))
        most = counts.most_common(1)[0][0]
        others = [
            Bad(names[row], str(reason))
            for row, reason in sorted(unfit.items())
            if reason.kind == kind and str(reason) != most
        ]
        if most != usual[kind]:
            fitting = (row for row in range(len(names)) if row not in unfit)
            others = [Bad(names[row], usual[kind]) for row in fitting] + others
        raise ImagesError(
            problem,
            uri,
            others,
            expected=f"the same for all, as for most of them: {most}",
            found=", ".join(f"{count} of {what}" for what, count in counts.most_common()),
            remedy=remedy,
        )
