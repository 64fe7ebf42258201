"""Tables as Kaggle has them; pandas is not needed to write one."""

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.intake.config import ImportConfig
from idxpipe.components.intake.tables import read_tables
from idxpipe.components.intake.tree import open_tree
from tests.intake.pictures import pixels

IMAGES = pixels(0, (10, 7, 7))
LABELS = np.arange(10) % 3
HEAD = ["label", *(f"pixel{number}" for number in range(49))]

HEAD_LINE = ",".join(HEAD)


def read(path, tmp_path, **options):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    with open_tree(str(path), str(scratch)) as tree:
        return read_tables(tree, ImportConfig(**options), str(scratch))


def lines(images=IMAGES, labels=LABELS, head=HEAD, delimiter=","):
    rows = [[label, *image.ravel()] for label, image in zip(labels, images, strict=True)]
    return [delimiter.join(map(str, row)) for row in ([head] if head else []) + rows]


def write(path, text, end="\n"):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((end.join(text) + end).encode())
    return path


def same(found, images=IMAGES, labels=LABELS):
    (part,) = found.parts
    assert np.array_equal(part.images[np.arange(len(labels))], images)
    assert [found.class_names[label] for label in part.labels] == [str(label) for label in labels]
    return part


@pytest.mark.parametrize("head", [HEAD, None], ids=["header", "none"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_label_first_then_pixels(head, end, tmp_path):
    found = read(write(tmp_path / "a.csv", lines(head=head), end), tmp_path)
    part = same(found)
    assert found.ordered
    assert part.origins[0] == ("a.csv:2" if head else "a.csv:1")


def test_numpy_writes_one_too(tmp_path):
    table = np.column_stack([LABELS, IMAGES.reshape(10, -1)])
    np.savetxt(tmp_path / "a.csv", table, fmt="%d", delimiter=",")
    same(read(tmp_path / "a.csv", tmp_path))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(delimiter, tmp_path):
    same(read(write(tmp_path / "a.csv", lines(delimiter=delimiter)), tmp_path))


def test_the_header_says_where_the_label_is(tmp_path):
    head = [*HEAD[1:], "class"]
    text = [",".join(head)]
    rows = zip(LABELS, IMAGES, strict=True)
    text += [",".join(map(str, [*image.ravel(), label])) for label, image in rows]
    same(read(write(tmp_path / "a.csv", text), tmp_path))


def test_quotes_and_a_byte_order_mark(tmp_path):
    text = [",".join(f'"{field}"' for field in line.split(",")) for line in lines()]
    text[0] = "\ufeff" + text[0]
    same(read(write(tmp_path / "a.csv", text), tmp_path))


def test_labels_may_be_words(tmp_path):
    words = ["dog", "cat"] * 5
    part = same(read(write(tmp_path / "a.csv", lines(labels=words)), tmp_path), labels=words)
    assert part.labels.tolist() == [1, 0] * 5


def test_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("idxpipe.components.intake.tables._BLOCK_LINES", 3)
    same(read(write(tmp_path / "a.csv", lines()), tmp_path))


def test_a_last_line_without_an_end_and_empty_ones(tmp_path):
    path = write(tmp_path / "a.csv", [*lines(), "", ""])
    same(read(path, tmp_path))
    path.write_bytes("\n".join(lines()).encode())
    same(read(path, tmp_path))


def test_splits_by_the_names_of_files(tmp_path):
    write(tmp_path / "k" / "mnist_train.csv", lines())
    write(tmp_path / "k" / "mnist_test.csv", lines(IMAGES[:3], [5, 1, 0]))
    found = read(tmp_path / "k", tmp_path)
    assert {part.split: part.labels.tolist() for part in found.parts} == {
        "train": LABELS.tolist(),
        "test": [5, 1, 0],
    }
    assert len(found.class_names) == 6


def test_what_kaggle_puts_beside_it_is_left_out_and_said(tmp_path):
    write(tmp_path / "k" / "train.csv", lines())
    write(tmp_path / "k" / "test.csv", [line.partition(",")[2] for line in lines()])
    write(tmp_path / "k" / "sample_submission.csv", ["ImageId,Label", "1,0"])
    found = read(tmp_path / "k", tmp_path)
    same(found)
    assert set(found.left_out) == {"test.csv: no labels", "sample_submission.csv"}
    with pytest.raises(DataError, match="no labels"):
        read(tmp_path / "k" / "test.csv", tmp_path)


def test_several_tables_of_no_split(tmp_path):
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "k" / name, lines())
    with pytest.raises(UsageError, match=r"a\.csv, b\.csv"):
        read(tmp_path / "k", tmp_path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3", "3 fields"),
        (lines()[1] + ",7", "51 fields"),
        (lines()[1].replace(",", ",256,", 1).rpartition(",")[0], "256"),
        (lines()[1].replace(",", ",-1,", 1).rpartition(",")[0], "-1"),
        (lines()[1].replace(",", ",0.5,", 1).rpartition(",")[0], "0.5"),
        (lines()[1].replace(",", ",,", 1).rpartition(",")[0], "''"),
        (lines()[1].replace(",", ",\x1b[2J,", 1).rpartition(",")[0], r"'\x1b[2J'"),
        ("," + lines()[1].partition(",")[2], "no label"),
    ],
    ids=["few", "many", "256", "-1", "0.5", "empty", "escape", "no label"],
)
def test_bad_lines_are_listed(line, reason, tmp_path):
    text = lines()
    text.insert(5, line)
    found = read(write(tmp_path / "a.csv", text), tmp_path)
    same(found)
    (bad,) = found.bad
    assert bad.name == "a.csv:6"
    assert reason in bad.reason
    assert found.total == 11


def test_a_number_of_columns_that_is_no_square(tmp_path):
    path = write(tmp_path / "a.csv", lines(pixels(0, (10, 8, 6)), head=None))
    with pytest.raises(DataError, match="image-shape"):
        read(path, tmp_path)
    found = read(path, tmp_path, image_shape="8x6")
    same(found, pixels(0, (10, 8, 6)))


def test_the_given_shape_must_fit(tmp_path):
    with pytest.raises(DataError, match="49"):
        read(write(tmp_path / "a.csv", lines()), tmp_path, image_shape="8x6")


@pytest.mark.parametrize("text", ["", "hello\n", "label,a\n", "1,2\n" * 3])
def test_what_is_no_table(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    if text.startswith("1"):
        found = read(tmp_path / "a.csv", tmp_path)
        assert found.parts[0].images.shape == (3, 1, 1)
        return
    with pytest.raises((DataError, UsageError)):
        read(tmp_path / "a.csv", tmp_path)


def test_only_bad_lines(tmp_path):
    found = read(write(tmp_path / "a.csv", [HEAD_LINE, "1,2", "3,4"]), tmp_path)
    assert [bad.name for bad in found.bad] == ["a.csv:2", "a.csv:3"]
    assert found.total == 2


@pytest.mark.parametrize("label", ["3.0", "-1", "nan", "1e3"])
def test_labels_that_are_neither_whole_numbers_nor_names(label, tmp_path):
    text = lines()
    text.insert(3, label + "," + lines()[1].partition(",")[2])
    found = read(write(tmp_path / "a.csv", text), tmp_path)
    same(found)
    assert label in found.bad[0].reason
