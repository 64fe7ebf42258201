import numpy as np
import pytest

from idxpipe.components.core.idx.header import Header
from idxpipe.components.core.idx.labels import LabelCount, label_column
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
