"""Files as people break them: the cause is named, and what helps."""

import gzip
import struct

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.checks import check_images, check_labels, scan, scan_labels
from tests.idxfiles import idx_bytes

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (600, 28, 28)).astype(np.uint8)
FEW = IMAGES[:10]


def patched(data, offset, more):
    return data[:offset] + more + data[offset + len(more) :]


def little(array):
    """As a C program writes it with fwrite of ints on a PC."""
    return struct.pack("<I", 0x0803) + struct.pack("<3I", *array.shape) + array.tobytes()


def refused(path, data, check=None):
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        scan(str(path), check or check_images(None))
    return caught.value


BROKEN = {
    "text-mode": (idx_bytes(IMAGES).replace(b"\n", b"\r\n"), "pairs of CR and LF", "binary mode"),
    "text-mode-back": (
        idx_bytes(IMAGES).replace(b"\r\n", b"\n"),
        "hardly a pair of CR and LF",
        "binary mode",
    ),
    "text-mode-header": (idx_bytes(FEW).replace(b"\n", b"\r\n"), "in the header", "binary mode"),
    "text-mode-gzip": (
        gzip.compress(idx_bytes(IMAGES)).replace(b"\n", b"\r\n"),
        "text mode",
        "fetch the file again",
    ),
    "utf-8": (idx_bytes(IMAGES).decode("utf-8", "replace").encode(), "EF BF BD", "binary mode"),
    "latin-1": (
        idx_bytes(IMAGES[:200]).decode("latin-1").encode(),
        "taken for Latin-1 text",
        "binary mode",
    ),
    "newline": (idx_bytes(FEW) + b"\n", "a line end after", "cut it off"),
    "newlines": (idx_bytes(FEW) + b"\r\n", "a line end after", "cut it off"),
    "header-order": (little(FEW), "a little-endian header", "big-endian"),
    "dimensions-order": (
        idx_bytes(FEW)[:4] + little(FEW)[4:],
        "the dimensions are little-endian: 10x28x28 fits",
        "big-endian",
    ),
    "count-order": (
        patched(idx_bytes(FEW), 4, struct.pack("<I", 10)),
        "the count is little-endian: 10x28x28 fits",
        "big-endian",
    ),
    "16-bit-count": (
        patched(idx_bytes(np.ones((65_546, 2, 2), np.uint8)), 4, struct.pack(">I", 10)),
        "65536 records more: the count was written in 16 bits",
        "in 32 bits: 65546",
    ),
    "16-bit-numbers": (
        np.frombuffer(idx_bytes(FEW), np.uint8).astype("<u2").tobytes(),
        "16-bit numbers",
        "as bytes",
    ),
    "count-of-zero": (
        patched(idx_bytes(FEW), 4, bytes(4)),
        "10 records after a count",
        "write it: 10",
    ),
    "zip": (b"PK\x03\x04" + bytes(40), "ZIP", "unzip"),
    "npz": (b"PK\x03\x04" + bytes(26) + b"x_train.npy" + bytes(9), ".npz", "idxpipe import"),
    "xz": (b"\xfd7zXZ" + bytes(40), "xz", "xz -d"),
    "gzip-twice": (gzip.compress(gzip.compress(idx_bytes(FEW))), "gzip data inside", "gunzip"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_cause_and_what_helps(tmp_path, case):
    data, found, remedy = BROKEN[case]
    error = refused(tmp_path / "images", data)
    assert found in str(error.found)
    assert remedy in error.remedy


@pytest.mark.parametrize("side", [28, 7])
def test_rows_of_pixels_that_are_squares(tmp_path, side):
    error = refused(tmp_path / "images", idx_bytes(IMAGES.reshape(-1, side * side)))
    assert f"if records are images of {side}x{side}, set flattened to true" in error.remedy


def test_of_nothing_that_is_seen_nothing_is_said(tmp_path):
    for data in (idx_bytes(FEW)[:-5], idx_bytes(FEW) + b"more"):
        assert refused(tmp_path / "images", data).remedy == "fetch the file again"


def test_labels_in_the_other_byte_order(tmp_path):
    labels = np.arange(10, dtype=np.int32)
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(labels)[:8] + labels.astype("<i4").tobytes())
    with pytest.raises(DataError, match="out of range") as caught:
        scan_labels(str(path), 10)
    assert "little-endian" in caught.value.remedy
    scan(str(path), check_labels)


def test_zeros_after_gzip_data_are_padding(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx_bytes(FEW)) + bytes(3_000_000))
    assert scan(str(path), check_images(None)).header.records == 10
    path.write_bytes(gzip.compress(idx_bytes(FEW)) + bytes(3_000_000) + b"x")
    with pytest.raises(DataError, match="followed by something else"):
        scan(str(path), check_images(None))
