"""Convert one split: check it, make its shards with Beam, publish the manifest last."""

import dataclasses
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from importlib import import_module
from types import ModuleType

from idxpipe.components.convert.config import DIRECT_RUNNER, ConvertConfig, check_name, named_by
from idxpipe.components.convert.plan import Meaning, Part, plan
from idxpipe.components.convert.publish import (
    check_folder,
    clear,
    is_validation_set,
    made_by_another,
    note_plan,
    publish,
    unpublish,
)
from idxpipe.components.convert.shard import RECEIPTS
from idxpipe.components.convert.source import (
    Access,
    Source,
    open_images,
    open_labels,
    staging_folder,
)
from idxpipe.components.convert.writers import check_format
from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import FILE_ORDER, MANIFEST, VALIDATION, Dataset
from idxpipe.components.core.errors import DataError, IdxpipeError, TransientError
from idxpipe.components.core.idx.checks import check_pair
from idxpipe.components.core.idx.class_names import class_names_beside
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.tf_host import without_gc

_USUAL = LayoutConfig()


def convert(
    images: str,
    labels: str,
    output: str,
    config: ConvertConfig,
    layout: LayoutConfig = _USUAL,
    *,
    split: str = "train",
    expected: tuple[str, str] = ("", ""),
    class_names: tuple[str, ...] | None = None,
) -> Dataset:
    """Write the split as TFRecord shards of `tf.train.Example` under `output`.

    Each example has `image`, one bytes value: the pixels in C order, little-endian; and `label`,
    one int64. With a validation fraction, the validation set is a dataset of its own in the folder
    `validation` below `output`.

    Args:
        images: URI of the IDX images, plain or gzip.
        labels: URI of the IDX labels, plain or gzip.
        output: URI of the dataset's folder. What an earlier conversion left there is replaced, or
            completed if it was cut off.
        config: Shards and runner.
        layout: What the files hold. No classes takes one more than the largest label; the shape
            `auto` accepts any. Transposed images are turned upright.
        split: Name of the split.
        expected: Fingerprints of images and labels, as validate took them; empty accepts any.
        class_names: Names of the classes, as validate found them; those of a different number are
            left out. None looks for them beside the labels.

    Raises:
        DataError: If a source is not in order, or not the one that was validated.
        SetupError: If the output cannot be written, or the runner fails.
        TransientError: If a source changed meanwhile, or another conversion to the same place got
            in the way, where it can be neither locked nor leased.
        UsageError: If the parameters cannot be met.
    """
    check_name("split", split)
    config = named_by(config, images)
    check_format(config.file_format)
    # Importing Beam takes longer than all that is done here before it is needed.
    beam_pipeline = ThreadPoolExecutor(1).submit(_import_beam)
    local_workers = config.runner == DIRECT_RUNNER
    in_sequence = config.shuffle_seed == FILE_ORDER
    access = Access(
        whole=in_sequence and not config.max_examples,
        scattered=not in_sequence,
        local=local_workers,
    )
    # What is there is not given up before its replacement's source is known to be whole, and what
    # was begun is looked through before it is completed.
    if access.whole and _once_through(config) and not _begun(output):
        access = dataclasses.replace(access, fed=True)
    with (
        # What is staged for workers elsewhere lies in the output itself.
        nullcontext() if local_workers else storage.lock(output),
        staging_folder(output, local_workers) as staging,
    ):
        label_source, largest = open_labels(labels, layout, expected[1], staging, access)
        with open_images(images, layout, expected[0], staging, access) as opened:
            image_source, whole_source = opened
            check_pair(image_source, label_source)
            sources = (image_source, label_source)
            parts = plan(sources, output, split, config, layout.num_classes or largest + 1)
            meaning = _meaning(labels, layout, class_names, parts[0].tasks[0].num_classes)
            parts = [dataclasses.replace(part, meaning=meaning) for part in parts]
            if config.runner != DIRECT_RUNNER or config.beam_options:
                tasks = [task for part in parts for task in part.tasks]
                beam_pipeline.result().check_runner(config, tasks)
            with storage.lock(output) if local_workers else nullcontext():
                _make(parts, sources, config, split, beam_pipeline, whole_source, access)
                sources = (whole_source.result(), label_source)
                if len(parts) == 1 and is_validation_set(storage.join(output, VALIDATION)):
                    clear(storage.join(output, VALIDATION))
                # The split itself comes last: when it is there, all is.
                return [_publish_or_find(part, sources, config) for part in reversed(parts)][-1]


def _meaning(
    labels: str, layout: LayoutConfig, class_names: tuple[str, ...] | None, num_classes: int
) -> Meaning:
    if class_names is None:
        class_names = class_names_beside(labels, num_classes, layout.label_offset)
    names = class_names if len(class_names) == num_classes else ()
    return Meaning(layout.bounds, layout.recorded(), names)


def _once_through(config: ConvertConfig) -> bool:
    """Tell whether the shards are made in this process, and from one pass over the source."""
    elsewhere = config.runner != DIRECT_RUNNER or "direct_running_mode" in config.beam_options
    return not elsewhere and not config.validation_fraction


def _begun(output: str) -> bool:
    return any(name.startswith((MANIFEST, RECEIPTS)) for name in storage.list_files(output))


def _make(
    parts: list[Part],
    sources: tuple[Source, Source],
    config: ConvertConfig,
    split: str,
    beam_pipeline: "Future[ModuleType]",
    whole_source: "Future[Source]",
    access: Access,
) -> None:
    """Make all shards; leave none of a source that proves damaged."""
    tasks = [task for part in parts for task in part.tasks]
    for part in parts:
        check_folder(part, config.dataset_name, (sources[0].expected, sources[1].expected))
    # Until the new manifest is there, there is no dataset: shards may be replaced one by one, and
    # must not be read under the manifest of an earlier conversion.
    validation = storage.join(parts[0].output, VALIDATION)
    for folder in (parts[0].output, *([validation] if is_validation_set(validation) else [])):
        unpublish(folder)
    for part in parts:
        note_plan(part)
    try:
        beam_pipeline.result().run_pipeline(tasks, config, f"convert {split}")
        for source in (whole_source.result(), sources[1]):
            source.check_still(whole=access.whole)
    except DataError:
        for part in parts:
            # A worker elsewhere may still write; the next conversion clears what it leaves.
            with suppress(OSError, IdxpipeError):
                clear(part.output)
        raise


def _publish_or_find(part: Part, sources: tuple[Source, Source], config: ConvertConfig) -> Dataset:
    """Publish one part; if another conversion was quicker to make the same, that is as good."""
    try:
        return publish(part, sources, config)
    except TransientError:
        made = made_by_another(part, sources, config)
        if not made:
            raise
        return made


def _import_beam() -> ModuleType:
    # Without its [gcp] extra, Beam warns on import of clients that are not used here.
    logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())
    with without_gc():
        return import_module("idxpipe.components.convert.beam.pipeline")
