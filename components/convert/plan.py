"""How a split is cut into shards: each is a range of positions in the order of its records."""

import dataclasses
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxpipe import __version__
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.selection import Selection, count, cut, limited
from idxpipe.components.convert.source import Source
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import VALIDATION
from idxpipe.components.core.errors import UsageError

# TFRecord readers like files of 100 to 200 MB.
# Source: https://www.tensorflow.org/guide/data_performance, and the TFDS default shard sizes.
TARGET_SHARD_BYTES = 150 * 1000 * 1000


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """All that a worker needs to make one shard; an element of the Beam collection.

    Attributes:
        output: URI of the dataset's folder.
        name: File name of the shard.
        images: The images file.
        labels: The labels file.
        start: First position.
        stop: Position after the last.
        selection: What stands at the positions, and which of them are kept.
        num_classes: Labels are below it.
        file_format: `tfrecord` or `array_record`.
        compression: `none` or `gzip`.
        converter: Version of the code that writes it.
    """

    output: str
    name: str
    images: Source
    labels: Source
    start: int
    stop: int
    selection: Selection
    num_classes: int
    file_format: str
    compression: str
    converter: str


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a manifest says of what the data mean.

    Attributes:
        pixel_range: The pixels that become 0 and 1; None is to be found out.
        layout: What of the source's layout is not the usual.
        class_names: A name for each class; empty if none are known.
    """

    pixel_range: tuple[float, float] | None = None
    layout: dict[str, Any] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()


_USUAL = Meaning()


@dataclasses.dataclass(frozen=True)
class Part:
    """One dataset that comes of a source.

    Attributes:
        split: Its name.
        output: URI of its folder.
        examples: Examples in it.
        tasks: Its shards.
        meaning: What its manifest says of what the data mean.
    """

    split: str
    output: str
    examples: int
    tasks: list[ShardTask]
    meaning: Meaning = _USUAL


def plan(
    sources: tuple[Source, Source],
    output: str,
    split: str,
    config: ConvertConfig,
    num_classes: int,
) -> list[Part]:
    """Return the split itself and, if one is asked for, its validation set.

    Args:
        sources: Images and labels, checked.
        output: URI of the split's folder.
        split: Its name.
        config: What to keep of it, and how to cut it.
        num_classes: Labels are below it.

    Raises:
        UsageError: If a dataset or a shard would be empty.
    """
    whole = Selection(sources[0].header.records, config.shuffle_seed)
    fraction = config.validation_fraction
    if not fraction and not config.max_examples:
        no_labels: NDArray[np.integer[Any]] = np.empty(0, np.int64)
        return [_part(sources, no_labels, output, split, config, whole, num_classes)]
    labels = _all_labels(sources[1])
    if config.max_examples:
        whole = limited(whole, labels, config.max_examples, num_classes)
    rest = dataclasses.replace(whole, validation_fraction=fraction)
    parts = [_part(sources, labels, output, split, config, rest, num_classes)]
    if fraction:
        if split == VALIDATION:
            raise UsageError(
                "a validation set has none of its own",
                where="validation_fraction",
                expected="0 for this split",
                found=fraction,
            )
        taken = dataclasses.replace(rest, validation=True)
        if config.num_shards:
            shards = max(1, round(config.num_shards * fraction / (1 - fraction)))
            config = dataclasses.replace(config, num_shards=min(shards, count(taken, labels)))
        folder = storage.join(output, VALIDATION)
        parts.append(_part(sources, labels, folder, VALIDATION, config, taken, num_classes))
    return parts


def _part(
    sources: tuple[Source, Source],
    all_labels: NDArray[np.integer[Any]],
    output: str,
    split: str,
    config: ConvertConfig,
    selection: Selection,
    num_classes: int,
) -> Part:
    images, labels = sources
    examples = count(selection, all_labels)
    if not examples:
        raise UsageError(
            "no example is left for a split",
            where=split,
            expected=f"at least 1 of {selection.records}",
            found=f"max_examples {config.max_examples}, "
            f"validation_fraction {config.validation_fraction}",
        )
    shards = choose_num_shards(config.num_shards, examples, images.header.record_bytes)
    cuts = cut(selection, all_labels, shard_sizes(examples, shards))
    prefix = f"{config.dataset_name}-{split}.{config.file_format}"
    tasks = [
        ShardTask(
            output=output,
            name=f"{prefix}-{index:05d}-of-{shards:05d}",
            images=images,
            labels=labels,
            start=start,
            stop=stop,
            selection=selection,
            num_classes=num_classes,
            file_format=config.file_format,
            compression=config.compression,
            converter=__version__,
        )
        for index, (start, stop) in enumerate(itertools.pairwise(cuts))
    ]
    return Part(split, output, examples, tasks)


def _all_labels(source: Source) -> NDArray[np.integer[Any]]:
    """Return the labels of the whole source, in as few bytes each as they have there."""
    data = storage.read(source.plain, source.header.data_offset)
    labels = source.labels(data)
    return labels.astype(labels.dtype.newbyteorder("="))


def shard_sizes(num_examples: int, num_shards: int) -> list[int]:
    """Return the number of examples in each shard; they differ by one at most."""
    cuts = [shard * num_examples // num_shards for shard in range(num_shards + 1)]
    return [stop - start for start, stop in itertools.pairwise(cuts)]


def choose_num_shards(asked: int, examples: int, image_bytes: int) -> int:
    """Return the number of shards to write.

    Args:
        asked: What the user asked for; 0 aims at `TARGET_SHARD_BYTES`.
        examples: Examples to write.
        image_bytes: Length of one image.

    Raises:
        UsageError: If a shard would be empty.
    """
    if asked > examples:
        raise UsageError(
            "more shards than examples",
            where="num_shards",
            expected=f"at most {examples}, the number of examples",
            found=asked,
        )
    return asked or max(1, min(examples, -(-examples * image_bytes // TARGET_SHARD_BYTES)))
