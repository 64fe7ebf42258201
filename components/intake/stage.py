"""Import a source: read it, divide it into splits, and publish the whole data set at once."""

import dataclasses
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.components.core.printable import printable
from idxpipe.components.core.transfer import upload
from idxpipe.components.intake.arrays import is_array, read_arrays
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.found import Bad, Found, bad_images
from idxpipe.components.intake.pictures import is_picture, read_pictures
from idxpipe.components.intake.split import hold_out, shuffled
from idxpipe.components.intake.tables import is_table, read_tables
from idxpipe.components.intake.tree import Tree, no_source, open_tree
from idxpipe.components.intake.write import (
    Picked,
    write_classes,
    write_skipped,
    write_sources,
    write_split,
)

_IDX = re.compile(r"[-.]idx[1-4][-.]?[a-z]*(\.gz)?$")


@dataclasses.dataclass(frozen=True)
class Imported:
    """A data set that was made.

    Attributes:
        output: Its folder.
        files: Names of the four IDX files by role, such as `train_images`.
        num_examples: Examples of each split.
        image_shape: Of one image.
        image_dtype: NumPy name of the pixels' type.
        class_names: A name for each label.
        held_out: Whether the test split was made here.
        skipped: What was left out as it cannot be used.
        left_out: Files and arrays that are none of examples.
    """

    output: str
    files: dict[str, str]
    num_examples: dict[str, int]
    image_shape: tuple[int, ...]
    image_dtype: str
    class_names: tuple[str, ...]
    held_out: bool
    skipped: tuple[Bad, ...]
    left_out: tuple[str, ...]


def import_data(source: str, output: str, config: ImportConfig) -> Imported:
    """Make the four IDX files of a data set from images, arrays or a table.

    Beside them go `classes.json`, the names of the classes; `sources.csv`, where each example came
    from; and `skipped.csv`, if something was left out.

    Args:
        source: Folder of images, .npz, .npy or .csv files; one such file; or a .zip of them.
        output: URI of a folder that is new or empty.
        config: See there.

    Raises:
        UsageError: If there is nothing to import, or `output` holds something.
        ImagesError: If images cannot be used, and are not to be left out.
        DataError: If examples do not fit each other, or are none. Nothing is written then.
        SetupError: If the output cannot be written.
    """
    _check_free(output)
    with _published(output) as (folder, scratch), open_tree(source, scratch) as tree:
        found = _read(tree, config, scratch)
        if found.bad and not config.skip_bad:
            raise bad_images(source, found.bad, found.total)
        splits = divide(found, config)
        _check(source, found, splits)
        files: dict[str, str] = {}
        for split, picked in splits.items():
            files |= write_split(folder, split, picked, gzip=config.gzip)
        write_classes(folder, found.class_names)
        write_sources(folder, splits, found.class_names)
        if found.bad:
            write_skipped(folder, found.bad)
        first = found.parts[0].images
        return Imported(
            output,
            files,
            {name: sum(len(some.rows) for some in picked) for name, picked in splits.items()},
            tuple(first.shape[1:]),
            first.dtype.name,
            found.class_names,
            not any(part.split == "test" for part in found.parts),
            found.bad,
            found.left_out,
        )


def divide(found: Found, config: ImportConfig) -> dict[str, Sequence[Picked]]:
    """Return the examples of both splits, in order.

    A source without a test split gives some of each class. Images from folders, which somebody
    else's file system lists class by class, are shuffled; other sources keep their order.
    """
    splits: dict[str, list[Picked]] = {"train": [], "test": []}
    divided = any(part.split == "test" for part in found.parts)
    for part in found.parts:
        everything = np.arange(len(part.labels))
        order = everything if found.ordered else shuffled(part.origins, config.seed)
        if divided:
            splits[part.split or "train"].append(Picked(part, order))
            continue
        held = hold_out(part.labels, part.origins, config.test_fraction, config.seed)
        splits["train"].append(Picked(part, order[~held[order]]))
        splits["test"].append(Picked(part, order[held[order]]))
    return dict(splits)


def _read(tree: Tree, config: ImportConfig, scratch: str) -> Found:
    if any(map(is_picture, tree.files)):
        return read_pictures(tree, config, scratch)
    if any(map(is_array, tree.files)):
        return read_arrays(tree, config, scratch)
    if any(map(is_table, tree.files)):
        return read_tables(tree, config, scratch)
    if any(_IDX.search(name) for name in tree.files):
        raise no_source(
            tree.uri,
            "IDX files, which need no import",
            f"idxpipe validate --data {shlex.quote(tree.uri)}",
        )
    raise no_source(tree.uri, ", ".join(map(printable, list(tree.files)[:3])) or "nothing")


def _check(source: str, found: Found, splits: dict[str, Sequence[Picked]]) -> None:
    kinds = {(part.images.shape[1:], part.images.dtype.name) for part in found.parts}
    if len(kinds) > 1:
        raise DataError(
            "splits differ in the shape or type of their images",
            where=source,
            expected="the same for both",
            found=" and ".join(sorted(f"{shape} {dtype}" for shape, dtype in kinds)),
        )
    for split, picked in splits.items():
        if not sum(len(some.rows) for some in picked):
            raise DataError(
                f"no examples for the {split} split",
                where=source,
                expected="two examples of a class at least",
                found=f"{found.total - len(found.bad)} examples that can be used",
                remedy="give more, or a larger --test-fraction",
            )


def _check_free(output: str) -> None:
    there = storage.list_files(output) or storage.exists(output)
    if not there and storage.is_local(output):
        path = storage.local_path(output)
        there = os.path.isdir(path) and bool(os.listdir(path))
    if there:
        raise UsageError(
            "there is something already",
            where=output,
            expected="a new or empty folder",
            remedy="give another --output, or remove it",
        )


@contextmanager
def _published(output: str) -> Iterator[tuple[str, str]]:
    """Yield a local folder, and one for scratch files; the first appears as `output` at the end.

    Raises:
        SetupError: If a place cannot be written or is full.
    """
    local = storage.is_local(output)
    target = os.path.abspath(storage.local_path(output)) if local else ""
    base = os.path.dirname(target) if local else tempfile.gettempdir()
    made = _missing(base)
    try:
        os.makedirs(base, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".idxpipe-import-", dir=base) as staged:
            folder, scratch = os.path.join(staged, "made"), os.path.join(staged, "scratch")
            os.mkdir(folder)
            os.mkdir(scratch)
            yield folder, scratch
            if local:
                # Over an empty folder, too: at once or not at all.
                os.rename(folder, target)
            else:
                upload(folder, output, storage.list_files(folder))
            made = []
    except OSError as error:
        raise SetupError(
            "cannot write the data set",
            where=output,
            found=error.strerror or str(error),
            remedy="free disk space, or give another folder that can be written",
        ) from None
    finally:
        for folder in made:
            with suppress(OSError):
                os.rmdir(folder)


def _missing(path: str) -> list[str]:
    """Return the folders above and at `path` that are not there yet, innermost first."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing
