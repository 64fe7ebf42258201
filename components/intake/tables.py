"""CSV files with an image a line: its label, and its pixels as whole numbers from 0 to 255.

The form of Kaggle's "Digit Recognizer" (train.csv) and of most copies of MNIST as CSV.
"""

import dataclasses
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.printable import printable
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.found import Bad, Found, Part
from idxpipe.components.intake.names import LABEL_COLUMNS, choose_splits, number_classes, split_of
from idxpipe.components.intake.shapes import fitted, row_shape
from idxpipe.components.intake.tree import ARCHIVE_ERRORS, Tree, damaged, no_source

SUFFIX = ".csv"
_BLOCK_LINES = 4096
_MOST_LINE = 64 << 20
_DELIMITERS = ",;\t"
_NO_LABELS = "no labels"


def is_table(name: str) -> bool:
    """Tell whether a file is named as a table is."""
    return name.lower().endswith(SUFFIX)


def read_tables(tree: Tree, config: ImportConfig, scratch: str) -> Found:
    """Read tables into files of pixels in the local folder `scratch`.

    Raises:
        UsageError: If there are several, and their names do not say which is which.
        DataError: If one is no such table.
    """
    chosen, left_out = _choose(tree)
    tables: dict[str, _Table] = {}
    for split, name in chosen.items():
        table = _read(tree, name, f"{scratch}/{len(tables)}.pixels")
        if table is None and split == "test":
            left_out.append(f"{name}: {_NO_LABELS}")
        elif table is None:
            raise DataError(
                "table has no labels",
                where=tree.uri,
                expected="a column called label, or one before the pixels",
                found=printable(name) + ": its columns are pixels only, so there are no labels",
            )
        else:
            tables[split] = table
    labels, class_names = number_classes(
        [word for t in tables.values() for word in t.labels], tree.uri
    )
    parts, start = [], 0
    for split, table in tables.items():
        where = f"{tree.uri}: {printable(chosen[split])}"
        if not table.labels and not table.bad:
            raise DataError("table has no lines", where=where, expected="one at least")
        shape = row_shape(table.pixels, config, where)
        size = (len(table.labels), *shape)
        images = np.memmap(table.path, np.uint8, "r", 0, size) if size[0] else np.zeros(size, "u1")
        own = labels[start : start + len(table.labels)]
        start += len(own)
        origins = [f"{chosen[split]}:{line}" for line in table.lines]
        parts.append(Part(split, fitted(images, config, where), own, origins))
    bad = tuple(bad for table in tables.values() for bad in table.bad)
    total = len(bad) + len(labels)
    return Found(tuple(parts), class_names, True, bad, total, tuple(left_out))


@dataclasses.dataclass
class _Table:
    """What was read of a table.

    Attributes:
        path: File of the pixels, uint8 [lines, pixels].
        pixels: How many a line has.
        labels: Of each line, as text.
        lines: Its number in the file, from 1.
        bad: Lines that cannot be used.
    """

    path: str
    pixels: int
    labels: list[str] = dataclasses.field(default_factory=list)
    lines: list[int] = dataclasses.field(default_factory=list)
    bad: list[Bad] = dataclasses.field(default_factory=list)


def _choose(tree: Tree) -> tuple[dict[str, str], list[str]]:
    """Return the tables by what they become, and the names of other files."""
    tables: dict[str, list[str]] = {}
    for name in filter(is_table, tree.files):
        tables.setdefault(split_of(name.rpartition("/")[2]), []).append(name)
    meaning = choose_splits(tables) or dict.fromkeys(tables, "")
    for split in meaning:
        if len(tables[split]) > 1 or (len(meaning) > 1 and "" in meaning.values()):
            raise UsageError(
                "several tables, whose names do not say which is which",
                where=tree.uri,
                expected="one, or one named after each split, such as train.csv and test.csv",
                found=printable(", ".join(name for names in tables.values() for name in names)),
                remedy="give one of them by itself",
            )
    chosen = {target: tables[split][0] for split, target in meaning.items()}
    return chosen, [name for name in tree.files if name not in chosen.values()]


def _read(tree: Tree, name: str, path: str) -> _Table | None:
    """Read a table; return None if it has no labels."""
    try:
        with tree.open(name) as stream, storage.create(path) as pixels:
            blocks = _blocks(stream, f"{tree.uri}: {printable(name)}")
            first, lines = next(blocks, (1, []))
            if not lines:
                raise no_source(tree.uri, f"{printable(name)}: an empty table")
            form = _form(lines)
            if form.column is None:
                return None
            table = _Table(path, form.fields - 1)
            if form.header:
                first, lines = first + 1, lines[1:]
            _take(table, form, name, first, lines, pixels)
            for first, lines in blocks:
                _take(table, form, name, first, lines, pixels)
            return table
    except ARCHIVE_ERRORS as error:
        raise damaged(tree.uri, name, error) from None


def _blocks(stream: BinaryIO, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of a line and that line with those that follow, some at a time."""
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape")
    number = 1
    while True:
        lines: list[str] = []
        while len(lines) < _BLOCK_LINES and (line := text.readline(_MOST_LINE)):
            if len(line) == _MOST_LINE:
                raise DataError(
                    "a line has no end",
                    where=where,
                    expected=f"less than {_MOST_LINE} characters",
                    found=f"line {number + len(lines)}",
                )
            lines.append(line.rstrip("\n"))
        if not lines:
            return
        yield number, lines
        number += len(lines)


@dataclasses.dataclass(frozen=True)
class _Form:
    """How a table is written.

    Attributes:
        delimiter: Between fields.
        fields: How many a line has.
        column: Which is the label; None if there is none.
        header: Whether its first line names the columns.
    """

    delimiter: str
    fields: int
    column: int | None
    header: bool


def _form(lines: list[str]) -> _Form:
    delimiter = max(_DELIMITERS, key=lines[0].count)
    names = [_bare(field) for field in lines[0].split(delimiter)]
    header = 2 * sum(map(_is_number, names)) < len(names)
    if not header:
        usual = Counter(line.count(delimiter) + 1 for line in lines if line).most_common(1)
        return _Form(delimiter, usual[0][0] if usual else len(names), 0, header)
    known = [number for number, name in enumerate(names) if name.lower() in LABEL_COLUMNS]
    shapes = [re.sub(r"\d+", "0", name) for name in names]
    # pixel0, pixel1, ...: the first column is as the others are.
    only_pixels = not known and len(names) > 1 and shapes[0] == shapes[1]
    return _Form(delimiter, len(names), None if only_pixels else (known or [0])[0], header)


def _bare(field: str) -> str:
    return field.strip().strip('"')


def _is_number(field: str) -> bool:
    return field.isascii() and field.isdigit()


def _take(table: _Table, form: _Form, name: str, first: int, lines: list[str], stream: Any) -> None:
    """Add lines to a table: all at once, or one by one if something is wrong with some."""
    numbered = [(number, line) for number, line in enumerate(lines, first) if line.strip()]
    split = [_split(line, form) for _, line in numbered]
    rows = _numbers([rest for _, rest in split], form) if split else np.empty((0, 0), np.uint8)
    if rows is not None and all(_is_label(label) for label, _ in split):
        stream.write(rows.tobytes())
        table.labels += [label for label, _ in split]
        table.lines += [number for number, _ in numbered]
        return
    for (number, _), (label, rest) in zip(numbered, split, strict=True):
        row = _numbers([rest], form) if _is_label(label) else None
        if row is None:
            table.bad.append(Bad(f"{name}:{number}", _reason(label, rest, form)))
        else:
            stream.write(row.tobytes())
            table.labels.append(label)
            table.lines.append(number)


def _is_label(text: str) -> bool:
    """Tell whether it is a whole number or a name: other numbers would make names in odd order."""
    if not text or _is_number(text):
        return bool(text)
    try:
        float(text)
    except ValueError:
        return True
    return False


def _split(line: str, form: _Form) -> tuple[str, str]:
    """Return the label of a line, and its pixels."""
    if form.column == 0:
        label, _, rest = line.partition(form.delimiter)
    else:
        fields = line.split(form.delimiter)
        label = fields.pop(form.column) if form.column and form.column < len(fields) else ""
        rest = form.delimiter.join(fields)
    return _bare(label), rest


def _numbers(rows: list[str], form: _Form) -> NDArray[np.uint8] | None:
    """Return rows of pixels, uint8 [rows, pixels]; None if there is anything else in them."""
    try:
        with warnings.catch_warnings():
            # Of fractions that are cut off, and of no data.
            warnings.simplefilter("error")
            numbers = np.loadtxt(
                rows, np.int32, comments=None, delimiter=form.delimiter, ndmin=2, quotechar='"'
            )
    except (ValueError, OverflowError, Warning):
        return None
    if numbers.shape != (len(rows), form.fields - 1):
        return None
    # As unsigned numbers, negative ones are large.
    return None if numbers.view(np.uint32).max(initial=0) > 255 else numbers.astype(np.uint8)


def _reason(label: str, rest: str, form: _Form) -> str:
    fields = [_bare(field) for field in rest.split(form.delimiter)]
    if len(fields) + 1 != form.fields:
        return f"{len(fields) + 1} fields, where the others have {form.fields}"
    if not label:
        return "no label"
    if not _is_label(label):
        return f"label '{printable(label, 40)}', neither a whole number nor a name"
    wrong = next((f for f in fields if not _is_number(f) or int(f) > 255), rest[:20])
    return f"pixel '{printable(wrong, 40)}', not a whole number from 0 to 255"
