"""What reads bytes from outside, as functions of bytes: they come to something, or are refused.

Whatever else one raises is a finding. What is behind a checksum is looked at with one that fits,
too, or nothing would get past it.
"""

import contextlib
import io
import os
import struct
import tempfile
import zlib

import google_crc32c
import numpy as np

from idxpipe.components.core.dataset.manifest import Dataset, Shard
from idxpipe.components.core.dataset.tfrecord import ExampleEncoder, masked
from idxpipe.components.core.dataset.tfrecord_reader import decode as decode_examples
from idxpipe.components.core.dataset.tfrecord_reader import read_records
from idxpipe.components.core.errors import DataError, IdxpipeError, UsageError
from idxpipe.components.evaluate.png_reader import SIGNATURE, decode_png
from idxpipe.components.intake.decode import Fit, Unfit
from idxpipe.components.intake.decode import decode as decode_image
from idxpipe.pipeline import state
from idxpipe.pipeline.runs import listing, page
from idxpipe.pipeline.spec import graph, params
from idxpipe.pipeline.spec.parse import parse
from idxpipe.pipeline.state import Ledger, RunRecord, Status, TaskRecord
from tests.core.idx import test_fuzz as by_definition
from tests.intake.pictures import pixels
from tests.pipeline import toy

IMAGE_BYTES = 12
# The first byte of an input says whether what follows gets a checksum that fits.
AS_IT_IS, MADE_TO_FIT = b"\0", b"\1"
_FOLDER = tempfile.TemporaryDirectory(prefix="idxpipe-fuzz-")


def idx(data):
    """An IDX file, plain or gzip: the array that the definition of the format reads, or refused."""
    path = os.path.join(_FOLDER.name, "file")
    with open(path, "wb") as stream:
        stream.write(data)
    try:
        array = by_definition.ours(path)
    except DataError:
        return False
    assert by_definition.same(array, by_definition.reference(data))
    return True


def tfrecord(data):
    """A shard: the records that its frames hold, whether or not its length is known."""
    content = _framed(data[1:]) if data[:1] == MADE_TO_FIT else data[1:]
    found = [_records(content, size) for size in (len(content), None)]
    # Of an unknown length, the end of a damaged one may be refused for another reason.
    assert (found[0] is None) == (found[1] is None)
    if found[0] is None:
        return False
    assert found[0] == found[1] == _frames(content)
    for record in found[0]:
        try:
            images, labels = decode_examples(
                np.frombuffer(record, np.uint8)[None], IMAGE_BYTES, "shard"
            )
        except DataError:
            continue
        encoded = ExampleEncoder(IMAGE_BYTES).encode(images, labels).tobytes()
        assert encoded[12:-4] == record or len(encoded) - 16 != len(record)
    return True


def _records(content, size):
    try:
        return [
            row.tobytes() for rows in read_records(io.BytesIO(content), size, "x") for row in rows
        ]
    except DataError:
        return None


def _frames(content):
    """Read the frames by their definition, tensorflow/core/lib/io/record_writer.h."""
    records, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        records.append(content[at + 12 : at + 12 + length])
        at += 16 + length
    return records


def _framed(data):
    """Return records with their frames: each begins with a byte that says how long it is."""
    made, at = b"", 0
    while at < len(data):
        record = data[at + 1 : at + 1 + data[at]]
        length = struct.pack("<Q", len(record))
        made += length + struct.pack("<I", masked(google_crc32c.value(length))) + record
        made += struct.pack("<I", masked(google_crc32c.value(record)))
        at += 1 + data[at]
    return made


def manifest(data):
    """A dataset.json: a data set that is written as it was read, or refused."""
    try:
        dataset = Dataset.loads(_sealed(data), "dataset.json")
    except DataError:
        return False
    assert Dataset.loads(dataset.dumps(), "dataset.json") == dataset
    return True


def record(data):
    """A run.json: a row of the table, the run and its page, or damage that is named."""
    run_id = "20260101-000000000-abcd"
    folder = state.run_folder(_FOLDER.name, run_id)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "run.json"), "wb") as stream:
        stream.write(_sealed(data))
    row = listing.read_row(_FOLDER.name, run_id)
    assert row.value or row.problem
    str((row.record, row.date, listing.words(row.changed), listing.select([row], (), "accuracy")))
    try:
        run = state.load(_FOLDER.name, run_id)
    except DataError:
        return False
    # Of a run that ended; it has a page, or none, and that is no error.
    page.write_pages(run, {})
    return True


def _sealed(data):
    content = data[1:]
    if data[:1] == MADE_TO_FIT:
        return b'{"crc32c": "%08x",' % google_crc32c.value(content) + content
    return content


def yaml(data):
    """A compiled pipeline: one with its parameters in order, or refused."""
    try:
        pipeline = parse(data)
    except DataError:
        return False
    for look in (
        lambda: params.resolve(pipeline.parameters),
        lambda: graph.require_plain(pipeline),
        lambda: graph.require_here(pipeline),
    ):
        with contextlib.suppress(UsageError):
            look()
    assert parse(toy.text(pipeline.document)).parameters == pipeline.parameters
    return True


def png(data):
    """A PNG file, by the reader of `predict` and that of `import`."""
    content = _checked(data[1:]) if data[:1] == MADE_TO_FIT else data[1:]
    found = []
    for read in (
        lambda: decode_image(content, Fit()),
        lambda: decode_png(content, (12, 9, 4), "uint8", "file"),
        lambda: decode_png(content, (12, 9), "uint8", "file", resize=True, grayscale=True),
    ):
        try:
            found.append(read())
        except (Unfit, IdxpipeError):
            continue
    assert all(image.dtype == np.uint8 for image in found)
    return bool(found)


def _checked(data):
    """Return a PNG file in which the checksum of each chunk fits."""
    made, at = bytearray(data), len(SIGNATURE)
    while at + 12 <= len(made):
        end = at + 8 + int.from_bytes(made[at : at + 4])
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(made)


def _seeds_of_tfrecord():
    images = np.arange(3 * IMAGE_BYTES, dtype=np.uint8).reshape(3, -1)
    written = ExampleEncoder(IMAGE_BYTES).encode(images, np.array([1, 200, 7])).tobytes()
    yield AS_IT_IS + written
    yield MADE_TO_FIT + b"".join(bytes([len(r)]) + r for r in _frames(written))
    yield MADE_TO_FIT + b"\0\0"


def _seeds_of_manifest():
    whole = Dataset(
        dataset_name="digits",
        split="train",
        num_classes=2,
        image_shape=(2, 3),
        image_dtype="uint8",
        class_counts=(3, 4),
        shards=(Shard("a-0", 3, 300, 7), Shard("a-1", 4, 400, 8)),
        sources={"images": "40-0000abcd", "labels": "10-0000abcd"},
        converter="0.1.0",
    )
    yield from _both(whole.dumps())


def _seeds_of_record():
    task = TaskRecord("train", "train", status=Status.SUCCEEDED, seconds=1.0, reasons=("forced",))
    made = RunRecord("20260101-000000000-abcd", _FOLDER.name, "p", "d", {"steps": 1, "data": "x"})
    with tempfile.TemporaryDirectory() as root:
        with Ledger(RunRecord(**{**vars(made), "root": root}), {"pipeline.yaml": b""}) as ledger:
            ledger.put(task)
            closed = ledger.close(Status.SUCCEEDED, 1.5)
        with open(os.path.join(closed.folder, "run.json"), "rb") as stream:
            yield from _both(stream.read())


def _both(document):
    yield AS_IT_IS + document
    yield MADE_TO_FIT + document.partition(b",")[2]


def _seeds_of_png():
    from PIL import Image

    array = pixels(1, (12, 9, 4))
    for mode, options in (
        *(("L", {}), ("RGB", {}), ("RGBA", {}), ("1", {}), ("LA", {}), ("I;16", {})),
        *(("P", {}), ("P", {"transparency": 0, "interlace": 1})),
    ):
        stream = io.BytesIO()
        Image.fromarray(array).convert(mode).save(stream, "PNG", **options)
        yield AS_IT_IS + stream.getvalue()
        yield MADE_TO_FIT + stream.getvalue()


# Each with what it reads to the end.
TARGETS = {
    "idx": (idx, lambda: iter(by_definition.seeds())),
    "tfrecord": (tfrecord, _seeds_of_tfrecord),
    "manifest": (manifest, _seeds_of_manifest),
    "record": (record, _seeds_of_record),
    "yaml": (yaml, lambda: iter([toy.text(toy.toy())])),
    "png": (png, _seeds_of_png),
}
