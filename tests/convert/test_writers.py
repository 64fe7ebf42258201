import gzip

import numpy as np
import pytest

from idxpipe.components.convert.writers import open_shard
from idxpipe.components.core.dataset.tfrecord import ExampleEncoder
from idxpipe.components.core.fingerprint import Fingerprint

LABELS = np.array([1, 300, 2], np.int64)
IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 4)


def write(path, file_format, compression):
    encoder = ExampleEncoder(4)
    with open_shard(str(path), file_format, compression) as shard:
        records = encoder.encode(IMAGES, LABELS)
        shard.write(records, lambda: encoder.lengths(LABELS))
        framed = records.tobytes()
    return framed, shard.fingerprint


@pytest.mark.parametrize(
    ("file_format", "compression"),
    [("tfrecord", "none"), ("tfrecord", "gzip"), ("array_record", "none")],
)
def test_the_fingerprint_is_that_of_the_file(tmp_path, file_format, compression):
    framed, fingerprint = write(tmp_path / "s", file_format, compression)
    data = (tmp_path / "s").read_bytes()
    assert fingerprint == Fingerprint().extend(data)
    if file_format == "tfrecord":
        assert (gzip.decompress(data) if compression == "gzip" else data) == framed


def test_array_record_has_the_records_without_their_frames(tmp_path):
    from array_record.python.array_record_module import ArrayRecordReader

    framed, _ = write(tmp_path / "s", "array_record", "none")
    records = ArrayRecordReader(str(tmp_path / "s")).read_all()
    assert [len(record) for record in records] == (ExampleEncoder(4).lengths(LABELS) - 16).tolist()
    assert all(record in framed for record in records)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_an_error_leaves_no_file(tmp_path, file_format):
    with pytest.raises(ZeroDivisionError), open_shard(str(tmp_path / "s"), file_format, "none"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
