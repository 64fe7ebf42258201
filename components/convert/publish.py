"""Make the shards a dataset: the manifest comes last, and what is stale goes."""

import functools
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from idxpipe import __version__
from idxpipe.components.convert import tfds
from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.look import FULL_RANGE
from idxpipe.components.convert.plan import Part
from idxpipe.components.convert.shard import RECEIPTS, Receipt, in_the_way, read_receipt
from idxpipe.components.convert.source import Source
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import (
    MANIFEST,
    VALIDATION,
    Dataset,
    read_dataset,
    shard_uris,
)
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.fingerprint import Fingerprint
from idxpipe.components.core.idx.labels import is_sorted

# Two requests each, where the output is in a bucket.
_READERS = 16
# Among the receipts: lists of shards that were here before, or that a conversion began to make and
# that may be there before their receipts. One for each set of names: none takes another's place.
_KNOWN = "known-"
_SHARD = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_]+\.(?:tfrecord|array_record)-\d{5}-of-\d{5}")


def check_folder(part: Part, dataset_name: str, expected: tuple[str, str]) -> None:
    """Refuse a folder that holds another split or another data set: it would be replaced.

    The same data in a folder of another name are the same data set.

    Raises:
        UsageError: If it does.
    """
    held = _held(part.output)
    if held is None:
        return
    header = part.tasks[0].images.header
    shape = part.tasks[0].images.order.upright(header.record_shape)
    same_data = (held.sources["images"], held.sources["labels"]) == expected
    facts = {
        "split": (held.split, part.split),
        "data set": (held.dataset_name, held.dataset_name if same_data else dataset_name),
        "shape of images": (held.image_shape, shape),
        "type of pixels": (held.image_dtype, header.dtype),
    }
    for what, (found, wanted) in facts.items():
        if found != wanted:
            raise UsageError(
                f"folder holds a different {what}",
                where=part.output,
                expected=f"an empty or new folder, or the {what} {wanted!r}",
                found=f"the {what} {found!r}",
                remedy="give each split of each data set a folder of its own, or delete this one",
            )


def _held(folder: str) -> Dataset | None:
    try:
        return read_dataset(folder)
    except DataError:
        return None


def publish(part: Part, sources: tuple[Source, Source], config: ConvertConfig) -> Dataset:
    """Write the manifest of shards that were made, and delete what is not of it.

    Raises:
        DataError: If the bytes that the workers read are not those that were validated.
        TransientError: If another conversion deleted some of it.
    """
    dataset = _assemble(part, sources, config)
    for name, content in tfds.describe(dataset).items():
        storage.write(storage.join(part.output, name), content)
    storage.write(storage.join(part.output, MANIFEST), dataset.dumps())
    _delete_stale(part.output, {shard.name for shard in dataset.shards})
    _check_alone(part.output, dataset)
    return dataset


def made_by_another(
    part: Part, sources: tuple[Source, Source], config: ConvertConfig
) -> Dataset | None:
    """Return the dataset that another conversion made, if it is the one that this one makes."""
    try:
        dataset = read_dataset(part.output)
        shard_uris(part.output, dataset)
    except DataError:
        return None
    expected = [source.expected for source in sources]
    same = (
        [shard.name for shard in dataset.shards] == [task.name for task in part.tasks]
        and dataset.num_examples == part.examples
        and dataset.num_classes == part.tasks[0].num_classes
        and dataset.shuffle_seed == config.shuffle_seed
        and dataset.compression == config.compression
        and dataset.layout == part.meaning.layout
        and part.meaning.pixel_range in (None, dataset.pixel_range)
        and [dataset.sources["images"], dataset.sources["labels"]] == expected
    )
    return dataset if same else None


def unpublish(folder: str) -> None:
    """Delete what makes shards a dataset; from now on they may be replaced one by one."""
    held = _held(folder)
    if held:
        # Whoever completes this must know which shards are left over from it.
        _note(folder, [shard.name for shard in held.shards])
    for name in (MANIFEST, *tfds.FILES):
        storage.delete(storage.join(folder, name))


def note_plan(part: Part) -> None:
    """Write down which shards are to be made, so that whoever completes this knows them."""
    _note(part.output, [task.name for task in part.tasks])


def _note(folder: str, names: list[str]) -> None:
    uri = storage.join(folder, RECEIPTS, f"{_KNOWN}{names[0]}.json")
    storage.write(uri, json.dumps(names).encode())


def clear(folder: str) -> None:
    """Delete a dataset that a conversion made here, or began; what else is here stays."""
    unpublish(folder)
    _delete_stale(folder, set())
    if storage.is_local(folder):
        with suppress(OSError):
            os.rmdir(storage.local_path(folder))


def is_validation_set(folder: str) -> bool:
    """Tell whether what is in a folder `validation`, if anything, is of the split above it."""
    held = _held(folder)
    return held is None or held.split == VALIDATION


def _assemble(part: Part, sources: tuple[Source, Source], config: ConvertConfig) -> Dataset:
    """Return the manifest that the shards' receipts add up to.

    Raises:
        DataError: If the bytes that the workers read are not those that were validated.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        receipts = list(pool.map(read_receipt, part.tasks))
    images, labels = sources
    read = {"images": images.expected, "labels": labels.expected}
    if part.tasks[0].selection.reads_whole_source:
        read = {
            "images": str(_content(images, [receipt.images for receipt in receipts])),
            "labels": str(_content(labels, [receipt.labels for receipt in receipts])),
        }
    return Dataset(
        split=part.split,
        image_shape=images.order.upright(images.header.record_shape),
        image_dtype=images.header.dtype,
        num_classes=part.tasks[0].num_classes,
        class_counts=tuple(map(sum, zip(*(r.class_counts for r in receipts), strict=True))),
        shards=tuple(receipt.shard for receipt in receipts),
        sources=read,
        converter=__version__,
        dataset_name=config.dataset_name,
        label_dtype=labels.header.dtype,
        file_format=config.file_format,
        compression=config.compression,
        shuffle_seed=config.shuffle_seed,
        source_examples=images.header.records,
        pixel_range=_range(part.meaning.pixel_range, images.header.dtype, receipts),
        layout=part.meaning.layout,
        sorted_by_class=_is_sorted(receipts),
        class_names=part.meaning.class_names,
    )


def _range(
    asked: tuple[float, float] | None, dtype: str, receipts: list[Receipt]
) -> tuple[float, float] | None:
    """Return the pixels that become 0 and 1; None stands for the range of uint8."""
    found = [receipt.pixel_range for receipt in receipts if receipt.pixel_range]
    bounds = asked or FULL_RANGE.get(dtype)
    if bounds is None:
        low = min((low for low, _ in found), default=0.0)
        high = max((high for _, high in found), default=1.0)
        # Of a single value nothing can be scaled.
        bounds = (low, high if high > low else low + 1.0)
    return None if dtype == "uint8" and bounds == FULL_RANGE[dtype] else bounds


def _is_sorted(receipts: list[Receipt]) -> bool:
    """Tell whether the records stand in the order of their classes, shards apart."""
    by_class = zip(*(receipt.class_counts for receipt in receipts), strict=True)
    classes = sum(any(counts) for counts in by_class)
    examples = sum(receipt.shard.examples for receipt in receipts)
    runs = sum(receipt.runs for receipt in receipts)
    return is_sorted(runs - (len(receipts) - 1), classes, examples)


def _content(source: Source, ranges: list[Fingerprint]) -> Fingerprint:
    """Return the fingerprint of the content that was read, range by range."""
    header = Fingerprint().extend(source.header.encode())
    found = functools.reduce(Fingerprint.join, ranges, header)
    source.check_content(found)
    return found


def _delete_stale(output: str, current: set[str]) -> None:
    """Delete the receipts, the shards of earlier conversions, and what killed runs left.

    Other people's files may be called as shards are: only what a manifest or a receipt of this
    folder names is an earlier conversion's.
    """
    files = storage.list_files(output)
    begun = f"{RECEIPTS}/"
    known = {
        name.removeprefix(begun).removesuffix(".json") for name in files if name.startswith(begun)
    }
    for name in files:
        if name.startswith(f"{begun}{_KNOWN}"):
            with suppress(ValueError):
                known.update(
                    map(str, json.loads(storage.read_document(storage.join(output, name))))
                )
    for name in known & files.keys():
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
