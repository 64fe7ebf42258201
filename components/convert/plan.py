"""How a split is cut into shards: each is a range of records, and so of bytes in both files."""

import dataclasses
import itertools

from components.core.errors import UsageError
from components.core.idx import Header

# TFRecord readers like files of 100 to 200 MB.
# Source: https://www.tensorflow.org/guide/data_performance, and the TFDS default shard sizes.
TARGET_SHARD_BYTES = 150 * 1000 * 1000


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """All that a worker needs to make one shard; an element of the Beam collection.

    Attributes:
        output: URI of the dataset's folder.
        name: File name of the shard.
        images: URI of the unpacked images file.
        images_header: Its header.
        labels: URI of the unpacked labels file.
        labels_header: Its header.
        start: First record.
        stop: Record after the last.
        num_classes: Labels are below it.
        converter: Version of the code that writes it.
    """

    output: str
    name: str
    images: str
    images_header: Header
    labels: str
    labels_header: Header
    start: int
    stop: int
    num_classes: int
    converter: str


def shard_ranges(num_examples: int, num_shards: int) -> list[tuple[int, int]]:
    """Return the first and past-the-last record of each shard; sizes differ by one at most."""
    cuts = [shard * num_examples // num_shards for shard in range(num_shards + 1)]
    return list(itertools.pairwise(cuts))


def choose_num_shards(asked: int, images: Header) -> int:
    """Return the number of shards to write.

    Args:
        asked: What the user asked for; 0 aims at `TARGET_SHARD_BYTES`.
        images: Header of the images file.

    Raises:
        UsageError: If a shard would be empty.
    """
    examples = images.records
    if asked > examples:
        raise UsageError(
            "more shards than examples",
            where="num_shards",
            expected=f"at most {examples}, the number of examples",
            found=asked,
        )
    return asked or min(examples, -(-examples * images.record_bytes // TARGET_SHARD_BYTES))
