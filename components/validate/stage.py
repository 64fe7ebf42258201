"""Hold the four files of a data set against their headers, their lengths and each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from idxpipe.components.core import storage
from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.class_names import class_names_beside
from idxpipe.components.core.idx.files import DataFiles
from idxpipe.components.core.integrity.sealed import seal
from idxpipe.components.validate import comparison, duplicates
from idxpipe.components.validate.config import AUTO, FULL, HEADERS, ValidateConfig
from idxpipe.components.validate.drift import drift, read_baseline
from idxpipe.components.validate.file_check import Inspection
from idxpipe.components.validate.finding import FaultsError, Finding
from idxpipe.components.validate.page import render
from idxpipe.components.validate.split import Split
from idxpipe.components.validate.validation import SCHEMA_VERSION, Validation


def validate(
    files: DataFiles,
    config: ValidateConfig,
    report: str | None = None,
    page: str | None = None,
    *,
    fingerprints: bool = True,
) -> Validation:
    """Check a data set and take its fingerprints, in one pass over each file at most.

    Every file is looked at as far as it can be, whatever is wrong with it and the others.

    Args:
        files: The four files, plain or gzip.
        config: What they should be, and how far to look.
        report: URI of a JSON report to write, whether the data set is in order or not.
        page: URI of the same as an HTML page, with pictures.
        fingerprints: Whether to read files for their fingerprints alone, where `headers` would not
            and their store keeps no checksum.

    Raises:
        DataError: With every fault, if one of them is an error; or if the baseline is no report.
    """
    baseline = config.data_baseline
    before = read_baseline(baseline, SCHEMA_VERSION) if baseline else None
    found = _look(files, config, fingerprints)
    faults = [*_faults(found), *_warnings(found)]
    if before:
        faults += drift(found.to_json(), before, baseline, config.max_share_change)
    findings = [Finding.of(fault) for fault in faults]
    if found.num_classes:
        found.class_names = class_names_beside(
            files.train_labels, found.num_classes, config.label_offset
        )
    found.findings = sorted(findings, key=lambda finding: not finding.is_error)
    if report:
        storage.write(report, seal(found.to_json(), indent=2))
    if page:
        storage.write(page, render(found).encode())
    if any(finding.is_error for finding in findings):
        raise FaultsError(found.findings, page or report)
    return found


def depth_of(config: ValidateConfig, files: DataFiles) -> str:
    """Return `headers` or `full`: what was asked for, or what suits where the files are."""
    uris = (files.train_images, files.train_labels, files.test_images, files.test_labels)
    if config.depth != AUTO:
        return config.depth
    return FULL if all(storage.is_local(uri) for uri in uris) else HEADERS


def _look(files: DataFiles, config: ValidateConfig, fingerprints: bool) -> Validation:
    depth = depth_of(config, files)
    full = depth == FULL

    def wanted(file: Inspection) -> bool:
        return full or (fingerprints and file.fingerprint is None and not file.faults)

    with ThreadPoolExecutor(max_workers=2) as pool:
        begun = [
            pool.submit(Split.begin, name, images, labels, config)
            for name, images, labels in (
                ("train", files.train_images, files.train_labels),
                ("test", files.test_images, files.test_labels),
            )
        ]
        train, test = (split.result() for split in begun)
        num_classes = config.num_classes or None
        if wanted(train.labels) or num_classes is None:
            train.read_labels(num_classes or 0, config, full)
            num_classes = num_classes or len(train.class_counts or []) or None
        if wanted(test.labels):
            test.read_labels(num_classes or 0, config, full)
        read = [
            pool.submit(split.read_images, full, config.order)
            for split in (train, test)
            if wanted(split.images)
        ]
        for done in read:
            done.result()
    return Validation(config, depth, train, test, num_classes)


def _faults(found: Validation) -> Iterator[DataError]:
    """Yield what is wrong with each file, then with them together."""
    for file in found.files.values():
        yield from file.faults
    train, test = found.train.images, found.test.images
    if train.fits and test.fits:
        for what, code, offset, one, other in (
            ("type", Code.SPLIT_TYPES, 2, train.header.dtype, test.header.dtype),
            ("shape", Code.SPLIT_SHAPES, 8, train.header.record_shape, test.header.record_shape),
        ):
            # Of two shapes, one was asked for, and the other is wrong by that.
            known = any(split.has(Code.IMAGE_SHAPE, Code.CHANNELS_FIRST) for split in (train, test))
            if one != other and not (code is Code.SPLIT_SHAPES and known):
                yield DataError(
                    f"{what} of the test images differs from the training images'",
                    where=test.uri,
                    offset=offset,
                    expected=f"{one}, as {train.uri}",
                    found=other,
                    remedy="take both splits from the same data set",
                    code=code,
                )
    yield from _unseen(found.train, found.test)
    yield from comparison.scales(found.train, found.test)


def _unseen(train: Split, test: Split) -> Iterator[DataError]:
    if train.class_counts is None or test.class_counts is None:
        return
    if train.labels.faults or test.labels.faults:
        return
    seen = {label for label, count in enumerate(train.class_counts) if count}
    unseen = [c for c, count in enumerate(test.class_counts) if count and c not in seen]
    if unseen:
        yield DataError(
            "test labels have classes that training labels have not",
            where=test.labels.uri,
            expected=f"the {len(seen)} classes of {train.labels.uri}",
            found=f"{sum(test.class_counts[c] for c in unseen)} labels of class "
            + ", ".join(map(str, unseen[:8]))
            + (" and others" if len(unseen) > 8 else ""),
            remedy="take both splits from the same data set, or leave these examples out",
            code=Code.UNSEEN_LABELS,
        )


def _warnings(found: Validation) -> Iterator[DataError]:
    looks = list(comparison.looks(found.train, found.test))
    yield from looks
    # Which of the two is the odd one is said once, and nothing that would turn both.
    odd = bool(looks)
    for split in found.splits.values():
        yield from split.label_warnings(found.num_classes or 0, found.config)
        yield from split.pixel_warnings(found.config, odd)
    train, test = found.train, found.test
    if not train.pixels or not test.pixels:
        return
    if train.images.header.record_bytes != test.images.header.record_bytes:
        return
    leaked = duplicates.across(test.pixels.keys, train.pixels.keys)
    if leaked:
        yield DataError(
            "test images that are training images, too",
            where=test.images.uri,
            offset=test.images.header.offset(leaked.number),
            expected="none",
            found=f"{leaked.count}, the first is image {leaked.number}, which is training image "
            f"{leaked.original}",
            remedy="leave them out of one of the splits: accuracy on them says nothing",
            code=Code.LEAKAGE,
        )
