"""How much is read at each depth, and in how much memory."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.files import DataConfig, DataFiles, find_files
from idxpipe.components.core.idx.header import Header
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import depth_of, validate
from tests.emulators import gcs_at
from tests.faults import faulty_proxy
from tests.idxfiles import make_arrays, write_data_set

HEADERS = ValidateConfig(depth="headers")
FEW_BYTES = 64 << 10


def bytes_read():
    """What this process read so far, from files and from elsewhere."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def sparse(path, header, more=0):
    """Write a file of the right length that takes no room on the disk."""
    with open(path, "wb") as stream:
        stream.write(header.encode())
        stream.truncate(header.content_bytes + more)
    return str(path)


def huge(folder, more=0):
    count = 100 * 10**9 // 784
    return DataFiles(
        sparse(folder / "train-images", Header("uint8", (count, 28, 28)), more),
        sparse(folder / "train-labels", Header("uint8", (count,))),
        sparse(folder / "test-images", Header("uint8", (count, 28, 28))),
        sparse(folder / "test-labels", Header("uint8", (count,))),
    )


def test_the_headers_of_a_hundred_gigabytes_cost_a_few_kilobytes(tmp_path):
    files = huge(tmp_path)
    small = write_data_set(tmp_path / "small")
    # Once, so that what is imported is not counted.
    validate(DataFiles(**small), HEADERS, fingerprints=False)
    before = bytes_read()
    found = validate(files, HEADERS, fingerprints=False)
    assert bytes_read() - before < FEW_BYTES
    assert found.files["train_images"].header.content_bytes > 99 * 10**9
    assert found.files["train_images"].fingerprint is None


def test_a_byte_too_many_is_seen_without_reading_so_far(tmp_path):
    files = huge(tmp_path, more=1)
    before = bytes_read()
    with pytest.raises(DataError, match="goes on after its last record"):
        validate(files, HEADERS, fingerprints=False)
    assert bytes_read() - before < FEW_BYTES


@pytest.fixture
def bucket(one_gcs, tmp_path):
    """A data set of 3 MB in a bucket; returns its folder and the local copies."""
    arrays = make_arrays(3000, 1000)
    files = write_data_set(tmp_path / "data", arrays)
    for uri in files.values():
        storage.write(f"{one_gcs}/{Path(uri).name}", Path(uri).read_bytes())
    return one_gcs, files


def test_headers_in_a_bucket_cost_a_few_kilobytes(bucket, fake_gcs):
    folder, files = bucket
    with faulty_proxy(fake_gcs, share=0) as proxy, gcs_at(proxy.url):
        found = validate(find_files(DataConfig(folder)), ValidateConfig())
        assert proxy.bytes_sent < FEW_BYTES
    assert found.depth == "headers"
    for role, file in found.files.items():
        assert file.fingerprint == Fingerprint().extend(Path(files[role]).read_bytes())
    assert found.train.class_counts is None
    assert found.to_json()["splits"]["train"] == {"class_counts": None, "pixels": None}


def test_all_of_a_bucket_is_read_once_if_that_is_asked_for(bucket, fake_gcs):
    folder, files = bucket
    size = sum(Path(uri).stat().st_size for uri in files.values())
    with faulty_proxy(fake_gcs, share=0) as proxy, gcs_at(proxy.url):
        found = validate(find_files(DataConfig(folder)), ValidateConfig(depth="full"))
        assert size < proxy.bytes_sent < size + FEW_BYTES
    assert found.train.pixels.images == 3000


def test_classes_are_counted_from_the_training_labels_at_any_depth(bucket, fake_gcs):
    folder, _ = bucket
    with faulty_proxy(fake_gcs, share=0) as proxy, gcs_at(proxy.url):
        found = validate(find_files(DataConfig(folder)), ValidateConfig(num_classes=0))
        assert proxy.bytes_sent < FEW_BYTES + 3000
    assert found.num_classes == 10
    assert sum(found.train.class_counts) == 3000
    assert found.test.class_counts is None


def test_packed_files_in_a_bucket_are_read_for_their_fingerprints(one_gcs, tmp_path):
    files = write_data_set(tmp_path / "data", gz=True)
    for uri in files.values():
        storage.write(f"{one_gcs}/{Path(uri).name}", Path(uri).read_bytes())
    found = validate(find_files(DataConfig(one_gcs)), ValidateConfig())
    local = validate(DataFiles(**files), ValidateConfig())
    assert found.handed_on()[4:] == local.handed_on()[4:]
    assert found.train.pixels is None
    # What was read is looked at.
    assert found.train.class_counts == local.train.class_counts
    assert validate(find_files(DataConfig(one_gcs)), HEADERS, fingerprints=False).train.labels


def test_the_depth_is_that_of_where_the_files_are():
    local, remote = DataFiles("a", "b", "c", "d"), DataFiles("a", "b", "gs://b/c", "d")
    assert depth_of(ValidateConfig(), local) == "full"
    assert depth_of(ValidateConfig(), remote) == "headers"
    assert depth_of(ValidateConfig(depth="full"), remote) == "full"
    assert depth_of(HEADERS, local) == "headers"


def test_headers_do_not_look_at_labels_and_pixels(tmp_path):
    arrays = make_arrays()
    arrays["train_labels"][3] = 77
    files = DataFiles(**write_data_set(tmp_path, arrays))
    assert validate(files, HEADERS, fingerprints=False).findings == []
    with pytest.raises(FaultsError, match="label out of range"):
        validate(files, ValidateConfig())


@pytest.mark.parametrize("shape", [(28, 28), (600, 500, 3)])
def test_all_of_a_large_file_takes_little_memory(tmp_path, shape):
    count = (200 << 20) // int(np.prod(shape))
    files = DataFiles(
        sparse(tmp_path / "i", Header("uint8", (count, *shape))),
        sparse(tmp_path / "l", Header("uint8", (count,))),
        sparse(tmp_path / "j", Header("uint8", (1, *shape))),
        sparse(tmp_path / "k", Header("uint8", (1,))),
    )
    config = ValidateConfig(image_shape="auto")
    validate(DataFiles(**write_data_set(tmp_path / "small")), ValidateConfig())
    tracemalloc.start()
    found = validate(files, config)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.train.pixels.images == count
    # A few bytes per image to find duplicates, some blocks, and figures of each pixel.
    assert peak < (24 << 20) + 40 * count + 90 * int(np.prod(shape))
