"""Make one shard: read both byte ranges, encode them chunk by chunk, publish file and receipt."""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from idxpipe.components.convert.look import ShardLook
from idxpipe.components.convert.plan import ShardTask
from idxpipe.components.convert.rows import CHUNK_BYTES, Bytes, chunk_rows, numbers, read_chunks
from idxpipe.components.convert.source import Source
from idxpipe.components.convert.writers import open_shard
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import Shard
from idxpipe.components.core.dataset.tfrecord import ExampleEncoder
from idxpipe.components.core.errors import DataError, TransientError
from idxpipe.components.core.fingerprint import Fingerprint

RECEIPTS = "_receipts"

Advance = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What one finished shard holds.

    Attributes:
        shard: The published file.
        class_counts: Examples of each class in it.
        images: Fingerprint of the range of the images file that it was made from.
        labels: The same of the labels file.
        recipe: What the shard was made by; another recipe makes another shard.
        pixel_range: Its smallest and largest finite pixel; None if they are not looked for.
        runs: Runs of equal labels in it.
    """

    shard: Shard
    class_counts: tuple[int, ...]
    images: Fingerprint
    labels: Fingerprint
    recipe: str
    pixel_range: tuple[float, float] | None = None
    runs: int = 0

    def dumps(self) -> bytes:
        """Return the receipt as JSON."""
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def loads(cls, data: bytes) -> "Receipt":
        """Parse what `dumps` gives."""
        body: dict[str, Any] = json.loads(data)
        return cls(
            shard=Shard(**body["shard"]),
            class_counts=tuple(body["class_counts"]),
            images=Fingerprint(**body["images"]),
            labels=Fingerprint(**body["labels"]),
            recipe=body["recipe"],
            pixel_range=body["pixel_range"] and tuple(body["pixel_range"]),
            runs=body["runs"],
        )


def receipt_uri(task: ShardTask) -> str:
    """Return where the receipt of a shard is."""
    return storage.join(task.output, RECEIPTS, f"{task.name}.json")


def read_receipt(task: ShardTask) -> Receipt:
    """Return the receipt of a shard that was made.

    Raises:
        TransientError: If another conversion deleted it.
    """
    uri = receipt_uri(task)
    if not storage.exists(uri):
        raise in_the_way(task.output)
    return Receipt.loads(storage.read_document(uri))


def make_shard(task: ShardTask, advance: Advance = lambda examples, bytes_read: None) -> Receipt:
    """Write the shard, unless a run that was cut off already did.

    Args:
        task: What to make.
        advance: Called now and then with the examples and the bytes of images since the last call.

    Raises:
        DataError: If a label is out of range or a source is shorter than its header says.
        SetupError: If the output cannot be written.
    """
    return _finished(task) or _write(task, advance)


def _write(task: ShardTask, advance: Advance) -> Receipt:
    counts = np.zeros(task.num_classes, np.int64)
    images, labels = Fingerprint(), Fingerprint()
    look = ShardLook(task.images.header.dtype)
    uri = storage.join(task.output, task.name)
    with open_shard(uri, task.file_format, task.compression) as shard:
        encoder = ExampleEncoder(task.images.header.record_bytes, chunk_rows(task.images.header))
        for chunk in read_chunks(task):
            images = images.extend(chunk.images)
            labels = labels.extend(chunk.labels)
            values = task.labels.labels(chunk.labels).astype(np.int64)
            pixels = _little_endian(chunk.images, task.images)
            if chunk.kept is not None:
                values, pixels = values[chunk.kept], pixels[chunk.kept]
            if not len(values):
                continue
            counts += _count(values, task)
            look(pixels, values)
            shard.write(encoder.encode(pixels, values), partial(encoder.lengths, values))
            advance(len(values), len(chunk.images))
    receipt = Receipt(
        Shard(task.name, int(counts.sum()), shard.fingerprint.size, shard.fingerprint.crc32c),
        tuple(counts.tolist()),
        images,
        labels,
        _recipe(task),
        look.pixel_range,
        look.runs,
    )
    storage.write(receipt_uri(task), receipt.dumps())
    return receipt


def _finished(task: ShardTask) -> Receipt | None:
    """Return the receipt of an earlier run if the shard and its sources are still the same."""
    uri = receipt_uri(task)
    if not storage.exists(uri):
        return None
    try:
        receipt = Receipt.loads(storage.read_document(uri))
    except (ValueError, KeyError, TypeError):
        return None
    shard = storage.join(task.output, task.name)
    if receipt.recipe != _recipe(task) or not storage.exists(shard):
        return None
    images, labels = Fingerprint(), Fingerprint()
    for chunk in read_chunks(task):
        images = images.extend(chunk.images)
        labels = labels.extend(chunk.labels)
    written = Fingerprint()
    with storage.open_read(shard) as stream:
        while block := stream.read(CHUNK_BYTES):
            written = written.extend(block)
    same_file = (written.size, written.crc32c) == (receipt.shard.bytes, receipt.shard.crc32c)
    same_source = (images, labels) == (receipt.images, receipt.labels)
    return receipt if same_file and same_source else None


def _recipe(task: ShardTask) -> str:
    values = dataclasses.asdict(task)
    for where in (values, values["images"], values["labels"]):
        for name in ("output", "name", "uri", "plain", "expected", "version"):
            where.pop(name, None)
    return json.dumps(values)


def _little_endian(data: Bytes, source: Source) -> np.ndarray:
    """Return uint8 [rows, record_bytes]: the pixels as TensorFlow decodes them, upright."""
    header = source.header
    values = numbers(data, header)
    if not source.order.is_usual:
        values = source.order.turn(values, header.record_shape).ravel()
    if values.dtype.itemsize > 1:
        values = values.astype(values.dtype.newbyteorder("<"))
    return values.view(np.uint8).reshape(-1, header.record_bytes)


def _count(labels: np.ndarray, task: ShardTask) -> np.ndarray:
    if labels.min() < 0 or labels.max() >= task.num_classes:
        raise DataError(
            "label out of range",
            where=task.labels.plain,
            expected=f"0 to {task.num_classes - 1}",
            found=f"{labels.min()} to {labels.max()}",
            remedy="leave the file alone until the conversion ends, then convert again",
        )
    return np.bincount(labels, minlength=task.num_classes)


def in_the_way(output: str) -> TransientError:
    """Return the error for the conversion that lost."""
    return TransientError(
        "another conversion works in the same folder",
        where=output,
        found="files of this conversion that were deleted",
        remedy="run one at a time, or give each a folder of its own; then run this one again",
    )
