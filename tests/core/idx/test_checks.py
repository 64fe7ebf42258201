import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.checks import (
    Head,
    check_images,
    check_labels,
    check_pair,
    image_faults,
    read_head,
    read_header,
    scan,
    scan_labels,
)
from idxpipe.components.core.idx.header import Header
from tests.idxfiles import idx_bytes, write_idx

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
any_header = check_images(None)


def store(path, data: bytes, packed: bool) -> str:
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    return str(path)


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def packed(request):
    return request.param


def test_scan_gives_header_and_fingerprint_of_the_content(tmp_path, packed):
    data = idx_bytes(IMAGES)
    file = scan(store(tmp_path / "f", data, packed), any_header)
    assert file.header == Header("uint8", (5, 4, 3))
    assert file.fingerprint == Fingerprint().extend(data)
    assert file.compressed == packed


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_look_sees_all_the_data_in_whole_items(tmp_path, packed, dtype):
    array = np.arange(700_000).reshape(-1, 7, 10).astype(dtype)
    uri = store(tmp_path / "f", idx_bytes(array), packed)
    pieces = []
    scan(uri, any_header, lambda data, offset: pieces.append((offset, data)))
    place = 16
    for offset, data in pieces:
        assert offset == place
        assert len(data) % array.dtype.itemsize == 0
        place += len(data)
    assert b"".join(data for _, data in pieces) == idx_bytes(array)[16:]


def test_a_file_cut_short_is_refused(tmp_path, packed):
    data = idx_bytes(IMAGES)
    for length in (17, 16, len(data) - 1):
        with pytest.raises(DataError, match="cut short") as caught:
            scan(store(tmp_path / "f", data[:length], packed), any_header)
        assert caught.value.offset == length
        assert caught.value.expected == "76 bytes (header 16 + 5 x 12 bytes)"
        assert caught.value.found == f"{length} bytes"


def test_a_trailing_byte_is_refused(tmp_path, packed):
    data = idx_bytes(IMAGES)
    with pytest.raises(DataError, match="goes on after its last record") as caught:
        scan(store(tmp_path / "f", data + b"\0", packed), any_header)
    assert caught.value.offset == len(data)


@pytest.mark.parametrize("shape", [(2**32 - 1, 28, 28), (2**32 - 1,) * 3])
def test_a_huge_count_costs_no_memory(tmp_path, packed, shape):
    data = struct.pack(">HBB3I", 0, 8, 3, *shape) + bytes(1000)
    uri = store(tmp_path / "f", data, packed)
    with pytest.raises(DataError):  # once, so that imports are not counted
        scan(uri, any_header)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"cut short|too large"):
        scan(uri, any_header)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_header_is_refused_before_the_data_is_read(tmp_path):
    looked = []
    uri = write_idx(tmp_path / "f.gz", IMAGES)
    with pytest.raises(DataError, match="wrong shape"):
        scan(uri, check_images((28, 28)), lambda data, _: looked.append(data))
    assert not looked


def test_images_of_another_shape_are_refused(tmp_path):
    array = np.zeros((3, 14, 56), np.uint8)
    with pytest.raises(DataError) as caught:
        scan(write_idx(tmp_path / "f", array), check_images((28, 28)))
    error = caught.value
    assert (error.offset, error.expected, error.found) == (8, "28x28", "14x56")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (Header("uint8", (5,)), "this is a labels file, not an images file"),
        (Header("uint8", (5, 4)), "not an images file"),
        (Header("uint8", (0, 4, 3)), "IDX file is empty"),
        (Header("uint8", (5, 0, 3)), "images have no pixels"),
    ],
)
def test_what_are_no_images_is_refused(header, problem):
    with pytest.raises(DataError) as caught:
        any_header("f", header)
    assert caught.value.problem == problem


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (Header("uint8", (5, 4, 3)), "this is an images file, not a labels file"),
        (Header("uint8", (5,) * 5), "not a labels file"),
        (Header("float32", (5,)), "labels are not integers"),
        (Header("uint8", (0,)), "IDX file is empty"),
    ],
)
def test_what_are_no_labels_is_refused(header, problem):
    with pytest.raises(DataError) as caught:
        check_labels("f", header)
    assert caught.value.problem == problem


def test_colour_images_are_images():
    check_images((32, 32, 3))("f", Header("uint8", (5, 32, 32, 3)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_a_label_out_of_range_is_refused_at_its_byte(tmp_path, packed, dtype):
    labels = np.array([1, 2, 3, 200 if dtype == "uint8" else 4000, 4], dtype)
    uri = store(tmp_path / "f", idx_bytes(labels), packed)
    with pytest.raises(DataError, match="label out of range") as caught:
        scan_labels(uri, 10)
    assert caught.value.offset == 8 + 3 * labels.dtype.itemsize
    assert caught.value.expected == "0 to 9"
    assert caught.value.found == str(labels[3])


def test_a_negative_label_is_refused_even_without_a_number_of_classes(tmp_path):
    uri = write_idx(tmp_path / "f", np.array([1, -1], np.int8))
    with pytest.raises(DataError, match="label out of range") as caught:
        scan_labels(uri, 0)
    assert (caught.value.offset, caught.value.expected) == (9, "0 to 9999")


def test_labels_alone_do_not_ask_for_any_number_of_classes(tmp_path):
    uri = write_idx(tmp_path / "f", np.array([1, 9999], np.int32))
    assert scan_labels(uri, 0)[1] == 9999
    uri = write_idx(tmp_path / "f", np.array([1, 10_000, 2**31 - 1], np.int32))
    with pytest.raises(DataError, match="label out of range") as caught:
        scan_labels(uri, 0)
    assert caught.value.offset == 12
    assert caught.value.found == "10000, and 1 more out of range"


def test_the_largest_label_is_found(tmp_path, packed):
    labels = np.zeros(3_000_000, np.uint8)
    labels[1_500_000] = 61
    _, largest = scan_labels(store(tmp_path / "f", idx_bytes(labels), packed), 0)
    assert largest == 61


def test_images_and_labels_that_differ_in_number_are_refused(tmp_path):
    images = scan(write_idx(tmp_path / "i", IMAGES), any_header)
    labels, _ = scan_labels(write_idx(tmp_path / "l", np.zeros(4, np.uint8)), 10)
    with pytest.raises(DataError, match="differ in number") as caught:
        check_pair(images, labels)
    assert caught.value.found == "4 labels"


def test_read_header_checks_the_length_of_plain_files_only(tmp_path):
    data = idx_bytes(IMAGES)[:-1]
    with pytest.raises(DataError, match="cut short"):
        read_header(store(tmp_path / "plain", data, packed=False))
    assert read_header(store(tmp_path / "packed", data, packed=True)).records == 5


def test_a_little_too_much_in_gzip_is_counted_and_a_bomb_is_not_unpacked(tmp_path):
    data = idx_bytes(IMAGES)
    with pytest.raises(DataError, match="goes on after its last record") as caught:
        scan(store(tmp_path / "f", data + bytes(5000), packed=True), any_header)
    assert caught.value.found == f"{len(data) + 5000} bytes"
    with pytest.raises(DataError, match="much more than its header says") as caught:
        scan(store(tmp_path / "f", data + bytes(50 << 20), packed=True), any_header)
    assert (caught.value.offset, caught.value.code) == (len(data), Code.GZIP_BOMB)


def test_the_head_of_a_damaged_gzip_file_is_read(tmp_path):
    data = idx_bytes(np.zeros((50, 4, 3), np.uint8))
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(data)[:-6])
    assert read_head(str(path)).header == Header("uint8", (50, 4, 3))
    path.write_bytes(gzip.compress(data)[:12])
    with pytest.raises(DataError, match="gzip data is cut short"):
        read_head(str(path))


def test_a_header_behind_a_long_gzip_header_is_found(tmp_path):
    """A gzip header may hold a name or an extra field of any length."""
    data = gzip.compress(idx_bytes(IMAGES), mtime=0)
    path = tmp_path / "f"
    path.write_bytes(data[:3] + b"\x08" + data[4:10] + b"n" * 9000 + b"\0" + data[10:])
    assert read_head(str(path)) == Head(str(path), Header("uint8", (5, 4, 3)), True)


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (Header("uint8", (5,)), ["IDX030"]),
        (Header("float32", (5, 4)), ["IDX032"]),
        (Header("uint8", (0, 4, 3)), ["IDX008"]),
        (Header("uint8", (5, 4, 0)), ["IDX009"]),
        (Header("uint8", (5, 1 << 16, 1 << 16)), ["IDX010"]),
        (Header("uint8", (5, 7, 7)), ["IDX036"]),
        (Header("uint8", (5,) * 255), ["IDX032", "IDX010"]),
    ],
)
def test_every_fault_of_a_header_is_given(header, codes):
    assert [fault.code.code for fault in image_faults("f", header, (4, 3))] == codes


def test_labels_in_rows_are_labels_if_they_have_the_column():
    check_labels("f", Header("int32", (5, 8)), 7)
    with pytest.raises(DataError, match="no such column") as caught:
        check_labels("f", Header("int32", (5, 8)), 8)
    assert caught.value.offset == 8
    with pytest.raises(DataError, match="no such column"):
        check_labels("f", Header("int32", (5,)), 1)


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path):
    uri = store(tmp_path / "f", idx_bytes(IMAGES), False)

    def write(data, offset):
        with open(uri, "r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"x")

    with pytest.raises(TransientError, match="changed while it was read") as caught:
        scan(uri, any_header, write)
    assert caught.value.where == uri
    assert "run the same command again" in caught.value.remedy
    assert scan(uri, any_header).header.records == 5
