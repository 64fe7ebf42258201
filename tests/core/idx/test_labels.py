import numpy as np
import pytest

from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.idx.labels import ONE_HOT, LabelCount, is_sorted, label_column
from tests.idxfiles import idx_bytes


def count(labels, num_classes=10, column=0, piece=1 << 20):
    data = idx_bytes(labels)
    header = Header.decode(data, "f")
    counted = LabelCount("f", header, num_classes, column)
    body = data[header.data_offset :]
    for place in range(0, len(body), piece):
        counted(body[place : place + piece], header.data_offset + place)
    return counted


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
@pytest.mark.parametrize("piece", [4, 12, 1 << 20])
def test_counts_are_those_of_numpy(dtype, piece):
    labels = np.random.default_rng(0).integers(0, 10, 3000).astype(dtype)
    counted = count(labels, piece=piece)
    assert counted.counts == np.bincount(labels).tolist()
    assert counted.largest == 9
    assert counted.fault() is None


@pytest.mark.parametrize("column", [0, 2])
def test_a_column_of_rows(column):
    rows = np.full((500, 3), -5, np.int32)
    rows[:, column] = np.arange(500) % 4
    assert count(rows, column=column, piece=8).counts == [125] * 4
    rows[77, column] = 4000
    fault = count(rows, column=column).fault()
    assert fault.offset == 12 + 77 * 12 + column * 4
    assert fault.found == "4000"


def test_all_labels_out_of_range_are_counted_and_the_first_is_named():
    labels = np.array([1, 2, -3, 4, 99, 5], np.int16)
    counted = count(labels, piece=2)
    assert counted.counts == [0, 1, 1, 0, 1, 1]
    assert (counted.bad, counted.fault().offset) == (2, 8 + 2 * 2)
    assert counted.fault().found == "-3, and 1 more out of range"


def test_label_column_is_a_view_of_the_file():
    data = np.arange(6, dtype=">i2").tobytes()
    assert label_column(data, Header("int16", (3, 2)), 1).tolist() == [1, 3, 5]
    assert label_column(data, Header("int16", (6,)), 0).tolist() == list(range(6))


@pytest.mark.parametrize("piece", [10, 1 << 20])
def test_one_hot_rows_are_told_from_rows_with_a_class(piece):
    rows = np.eye(10, dtype=np.uint8)[np.arange(50) % 10]
    fault = count(rows, piece=piece).rows_fault()
    assert "one-hot" in fault.problem
    assert "set one_hot to true" in fault.remedy
    rows[49, :2] = 1
    assert count(rows, piece=piece).rows_fault() is None
    assert count(np.arange(5, dtype=np.uint8)).rows_fault() is None


def test_one_hot_rows_as_classes():
    labels = np.arange(50) % 10
    rows = np.eye(10, dtype=np.int32)[labels]
    counted = count(rows, column=ONE_HOT)
    assert counted.counts == [5] * 10
    assert counted.rows_fault() is None
    rows[7] = 3
    fault = count(rows, column=ONE_HOT).rows_fault()
    assert (fault.offset, fault.found) == (12 + 7 * 40, "something else in record 7")


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        (np.arange(1, 11), "set label_offset to 1"),
        (np.arange(48, 58), "set label_offset to 48"),
        (np.array([-1, 0, 1]), "leave these examples out"),
        (np.array([0, 1, 200]), "set num_classes"),
    ],
)
def test_the_remedy_fits_the_cause(labels, remedy):
    dtype = np.int16 if labels.min() < 0 else np.uint8
    assert remedy in count(labels.astype(dtype)).fault().remedy


def test_labels_from_an_offset_on():
    header = Header("uint8", (4,))
    counted = LabelCount("f", header, 3, 0, 1)
    counted(bytes([1, 2, 3, 0]), header.data_offset)
    assert counted.counts == [1, 1, 1]
    fault = counted.fault()
    assert (fault.expected, fault.found) == ("1 to 3", "0")
    assert label_column(bytes([0, 1, 200]), Header("uint8", (3,)), 0, 1).tolist() == [-1, 0, 199]


@pytest.mark.parametrize(
    ("labels", "is_it"),
    [
        (np.repeat(np.arange(10), 50), True),
        (np.tile(np.arange(10), 50), False),
        (np.zeros(500, int), False),
        (np.arange(10), False),
    ],
)
def test_what_is_sorted_by_class(labels, is_it):
    runs = 1 + int((labels[1:] != labels[:-1]).sum())
    assert is_sorted(runs, len(set(labels.tolist())), len(labels)) == is_it
