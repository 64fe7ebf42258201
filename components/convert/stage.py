"""Convert one split: check it, make its shards with Beam, publish the manifest last."""

import functools
import logging
import re

from components import __version__
from components.convert.config import DIRECT_RUNNER, ConvertConfig, check_name
from components.convert.interference import in_the_way
from components.convert.plan import ShardTask, choose_num_shards, shard_ranges
from components.convert.source import Source, open_images, open_labels, staging_folder
from components.core import storage
from components.core.checks import check_pair
from components.core.dataset import MANIFEST, Dataset, read_dataset, shard_uris
from components.core.errors import DataError, TransientError, UsageError
from components.core.fingerprint import Fingerprint

_SHARD = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_]+\.tfrecord-\d{5}-of-\d{5}")


def convert(
    images: str,
    labels: str,
    output: str,
    config: ConvertConfig,
    *,
    split: str = "train",
    num_classes: int = 10,
    image_shape: tuple[int, ...] | None = (28, 28),
    expected: tuple[str, str] = ("", ""),
) -> Dataset:
    """Write the split as TFRecord shards of `tf.train.Example` under `output`.

    Each example has `image`, one bytes value: the pixels in C order, little-endian; and `label`,
    one int64. The records are in the order of the source.

    Args:
        images: URI of the IDX images, plain or gzip.
        labels: URI of the IDX labels, plain or gzip.
        output: URI of the dataset's folder. What an earlier conversion left there is replaced, or
            completed if it was cut off.
        config: Shards and runner.
        split: Name of the split.
        num_classes: Labels must be below; 0 takes one more than the largest label.
        image_shape: Shape that each image must have; None accepts any.
        expected: Fingerprints of images and labels, as validate took them; empty accepts any.

    Raises:
        DataError: If a source is not in order, or not the one that was validated.
        SetupError: If the output cannot be written, or the runner fails.
        TransientError: If another conversion to the same place got in the way, where it cannot be
            locked.
        UsageError: If the parameters cannot be met.
    """
    # Without its [gcp] extra, Beam warns on import of clients that are not used here.
    logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
    from components.convert.beam_pipeline import run_pipeline

    check_name("split", split)
    local_workers = config.runner == DIRECT_RUNNER
    with staging_folder(output, local_workers) as staging:
        label_source, largest = open_labels(labels, num_classes, expected[1], staging)
        image_source = open_images(images, image_shape, expected[0], staging)
        check_pair(image_source, label_source)
        sources = (image_source, label_source)
        tasks = _plan(sources, output, split, config, num_classes or largest + 1)
        with storage.lock(output):
            _check_folder(output, split)
            # Until the new manifest is there, there is no dataset: shards may be replaced one by
            # one, and must not be read under the manifest of an earlier conversion.
            storage.delete(storage.join(output, MANIFEST))
            run_pipeline(tasks, config.runner, config.beam_options)
            try:
                dataset = _publish(tasks, sources, split, config, output)
            except TransientError:
                made = _made_by_another(tasks, sources, output)
                if not made:
                    raise
                dataset = made
    return dataset


def _check_folder(output: str, split: str) -> None:
    """Refuse a folder that holds another split: it would be replaced.

    Raises:
        UsageError: If it does.
    """
    try:
        held = read_dataset(output).split
    except DataError:
        return
    if held != split:
        raise UsageError(
            "folder holds another split",
            where=output,
            expected=f"an empty or new folder, or the split {split!r}",
            found=f"the split {held!r}",
            remedy="give each split a folder of its own",
        )


def _publish(
    tasks: list[ShardTask],
    sources: tuple[Source, Source],
    split: str,
    config: ConvertConfig,
    output: str,
) -> Dataset:
    dataset = _assemble(tasks, sources, split, config)
    storage.write(storage.join(output, MANIFEST), dataset.dumps())
    _delete_stale(output, dataset)
    _check_alone(output, dataset)
    return dataset


def _made_by_another(
    tasks: list[ShardTask], sources: tuple[Source, Source], output: str
) -> Dataset | None:
    """Return the dataset that another conversion made, if it is the one that this one makes."""
    try:
        dataset = read_dataset(output)
        shard_uris(output, dataset)
    except DataError:
        return None
    images, labels = sources
    wanted = {"images": images.expected, "labels": labels.expected}
    same = (
        [shard.name for shard in dataset.shards] == [task.name for task in tasks]
        and dataset.num_classes == tasks[0].num_classes
        and dataset.sources == wanted
    )
    return dataset if same else None


def _plan(
    sources: tuple[Source, Source],
    output: str,
    split: str,
    config: ConvertConfig,
    num_classes: int,
) -> list[ShardTask]:
    images, labels = sources
    count = choose_num_shards(config.num_shards, images.header)
    return [
        ShardTask(
            output=output,
            name=f"{config.dataset_name}-{split}.tfrecord-{index:05d}-of-{count:05d}",
            images=images.plain,
            images_header=images.header,
            labels=labels.plain,
            labels_header=labels.header,
            start=start,
            stop=stop,
            num_classes=num_classes,
            converter=__version__,
        )
        for index, (start, stop) in enumerate(shard_ranges(images.header.records, count))
    ]


def _assemble(
    tasks: list[ShardTask], sources: tuple[Source, Source], split: str, config: ConvertConfig
) -> Dataset:
    """Return the manifest that the shards' receipts add up to.

    Raises:
        DataError: If the bytes that the workers read are not those that were validated.
    """
    from components.convert.shard import read_receipt

    receipts = [read_receipt(task) for task in tasks]
    images, labels = sources
    read = {
        "images": _content(images, [receipt.images for receipt in receipts]),
        "labels": _content(labels, [receipt.labels for receipt in receipts]),
    }
    return Dataset(
        split=split,
        image_shape=images.header.record_shape,
        image_dtype=images.header.dtype,
        num_classes=tasks[0].num_classes,
        class_counts=tuple(map(sum, zip(*(r.class_counts for r in receipts), strict=True))),
        shards=tuple(receipt.shard for receipt in receipts),
        sources={role: str(fingerprint) for role, fingerprint in read.items()},
        converter=__version__,
        dataset_name=config.dataset_name,
        label_dtype=labels.header.dtype,
        source_examples=images.header.records,
    )


def _content(source: Source, ranges: list[Fingerprint]) -> Fingerprint:
    """Return the fingerprint of the content that was read, range by range."""
    header = Fingerprint().extend(source.header.encode())
    found = functools.reduce(Fingerprint.join, ranges, header)
    source.check_content(found)
    return found


def _delete_stale(output: str, dataset: Dataset) -> None:
    """Delete the receipts, the shards of earlier conversions, and what killed runs left."""
    from components.convert.shard import RECEIPTS

    current = {shard.name for shard in dataset.shards}
    for name in storage.list_files(output):
        if _SHARD.fullmatch(name) and name not in current:
            storage.delete(storage.join(output, name))
    storage.delete(storage.join(output, RECEIPTS))
    storage.sweep(output)


def _check_alone(output: str, dataset: Dataset) -> None:
    """Take the manifest back if another conversion deleted shards of ours as stale.

    Raises:
        TransientError: If it did.
    """
    found = storage.list_files(output)
    if any(found.get(shard.name) != shard.bytes for shard in dataset.shards):
        storage.delete(storage.join(output, MANIFEST))
        raise in_the_way(output)
