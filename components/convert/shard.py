"""Make one shard: read both byte ranges, encode them chunk by chunk, publish file and receipt."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from components.convert.interference import in_the_way
from components.convert.plan import ShardTask
from components.core import storage
from components.core.dataset import Shard
from components.core.errors import DataError
from components.core.fingerprint import Fingerprint
from components.core.idx import Header
from components.core.tfrecord import ExampleEncoder

RECEIPTS = "_receipts"
# About 1.7 MB of 28x28 images: rows and records stay in the second-level cache.
CHUNK_ROWS = 2048
CHUNK_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What one finished shard holds.

    Attributes:
        shard: The published file.
        class_counts: Examples of each class in it.
        images: Fingerprint of the range of the images file that it was made from.
        labels: The same of the labels file.
        recipe: What the shard was made by; another recipe makes another shard.
    """

    shard: Shard
    class_counts: tuple[int, ...]
    images: Fingerprint
    labels: Fingerprint
    recipe: str

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
    return Receipt.loads(storage.read(uri))


def make_shard(task: ShardTask) -> Receipt:
    """Write the shard, unless a run that was cut off already did.

    Raises:
        DataError: If a label is out of range or a source is shorter than its header says.
        SetupError: If the output cannot be written.
    """
    return _finished(task) or _write(task)


def _write(task: ShardTask) -> Receipt:
    counts = np.zeros(task.num_classes, np.int64)
    images, labels, shard = Fingerprint(), Fingerprint(), Fingerprint()
    with storage.create(storage.join(task.output, task.name)) as stream:
        encoder = ExampleEncoder(task.images_header.record_bytes, _chunk_rows(task.images_header))
        for image_bytes, label_bytes in _chunks(task):
            images = images.extend(image_bytes)
            labels = labels.extend(label_bytes)
            values = _numbers(label_bytes, task.labels_header).astype(np.int64)
            counts += _count(values, task)
            pixels = _little_endian(image_bytes, task.images_header)
            records = encoder.encode(pixels, values).tobytes()
            shard = shard.extend(records)
            stream.write(records)
    receipt = Receipt(
        Shard(task.name, task.stop - task.start, shard.size, shard.crc32c),
        tuple(counts.tolist()),
        images,
        labels,
        _recipe(task),
    )
    storage.write(receipt_uri(task), receipt.dumps())
    return receipt


def _finished(task: ShardTask) -> Receipt | None:
    """Return the receipt of an earlier run if the shard and its sources are still the same."""
    uri = receipt_uri(task)
    if not storage.exists(uri):
        return None
    try:
        receipt = Receipt.loads(storage.read(uri))
    except (ValueError, KeyError, TypeError):
        return None
    shard = storage.join(task.output, task.name)
    if receipt.recipe != _recipe(task) or not storage.exists(shard):
        return None
    images, labels = Fingerprint(), Fingerprint()
    for image_bytes, label_bytes in _chunks(task):
        images = images.extend(image_bytes)
        labels = labels.extend(label_bytes)
    written = Fingerprint()
    with storage.open_read(shard) as stream:
        while block := stream.read(CHUNK_BYTES):
            written = written.extend(block)
    same_file = (written.size, written.crc32c) == (receipt.shard.bytes, receipt.shard.crc32c)
    same_source = (images, labels) == (receipt.images, receipt.labels)
    return receipt if same_file and same_source else None


def _recipe(task: ShardTask) -> str:
    header = task.images_header
    return json.dumps(
        [task.converter, header.dtype, header.shape, task.start, task.stop, task.num_classes]
    )


def _chunk_rows(images: Header) -> int:
    return max(1, min(CHUNK_ROWS, CHUNK_BYTES // images.record_bytes))


def _chunks(task: ShardTask) -> Iterator[tuple[bytes, bytes]]:
    """Yield the bytes of some images and of as many labels, in order."""
    image_bytes = task.images_header.record_bytes
    label_bytes = task.labels_header.record_bytes
    rows = _chunk_rows(task.images_header)
    with (
        storage.open_read(task.images, task.images_header.offset(task.start)) as images,
        storage.open_read(task.labels, task.labels_header.offset(task.start)) as labels,
    ):
        for start in range(task.start, task.stop, rows):
            count = min(rows, task.stop - start)
            yield (
                _read(images, count * image_bytes, task.images),
                _read(labels, count * label_bytes, task.labels),
            )


def _read(stream: BinaryIO, length: int, uri: str) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise DataError(
            "file became shorter while it was read",
            where=uri,
            expected=f"{length} more bytes",
            found=f"{len(data)} bytes",
            remedy="leave the file alone until the conversion ends, then convert again",
        )
    return data


def _numbers(data: bytes, header: Header) -> np.ndarray:
    return np.frombuffer(data, np.dtype(header.dtype).newbyteorder(">"))


def _little_endian(data: bytes, header: Header) -> np.ndarray:
    """Return uint8 [rows, record_bytes]: the pixels as TensorFlow decodes them."""
    numbers = _numbers(data, header)
    if numbers.dtype.itemsize > 1:
        numbers = numbers.astype(numbers.dtype.newbyteorder("<"))
    return numbers.view(np.uint8).reshape(-1, header.record_bytes)


def _count(labels: np.ndarray, task: ShardTask) -> np.ndarray:
    if labels.min() < 0 or labels.max() >= task.num_classes:
        raise DataError(
            "label out of range",
            where=task.labels,
            expected=f"0 to {task.num_classes - 1}",
            found=f"{labels.min()} to {labels.max()}",
            remedy="leave the file alone until the conversion ends, then convert again",
        )
    return np.bincount(labels, minlength=task.num_classes)
