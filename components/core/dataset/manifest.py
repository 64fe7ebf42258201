"""The manifest of a converted split. A dataset exists when its `dataset.json` does."""

import dataclasses
import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from idxpipe.components.core import storage
from idxpipe.components.core.errors import CONVERT_AGAIN, NO_CACHE, DataError
from idxpipe.components.core.idx.header import ITEM_BYTES
from idxpipe.components.core.integrity.sealed import seal, unseal

MANIFEST = "dataset.json"
SCHEMA_VERSION = 2
# Manifests of version 2 may be older than their checksums.
_SEALED_SINCE = 3
TFRECORD, ARRAY_RECORD = FILE_FORMATS = ("tfrecord", "array_record")
NO_COMPRESSION, GZIP = COMPRESSIONS = ("none", "gzip")
FILE_ORDER = -1
# Folder below a dataset that holds its validation set.
VALIDATION = "validation"
_QUESTIONS_AT_A_TIME = 8
_SELDOM = ("pixel_range", "layout", "sorted_by_class", "class_names")


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file of a dataset.

    Attributes:
        name: File name, relative to the manifest.
        examples: Number of records.
        bytes: Length of the file.
        crc32c: CRC32C of the whole file.
    """

    name: str
    examples: int
    bytes: int
    crc32c: int

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ValueError: Naming the first that cannot be.
        """
        _check_text("name of a shard", self.name)
        _check_whole("examples of a shard", self.examples, least=1)
        _check_whole("bytes of a shard", self.bytes)
        _check_whole("crc32c of a shard", self.crc32c, most=2**32 - 1)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split as shards of `tf.train.Example` with `image` (bytes) and `label` (int64).

    Attributes:
        split: `train`, `test` or another name.
        image_shape: Shape of one image: (height, width) or (height, width, channels).
        image_dtype: NumPy name of the pixels' type; stored little-endian, in C order.
        num_classes: Labels run from 0 to `num_classes - 1`.
        class_counts: Number of examples of each class.
        shards: In the order of the records.
        sources: Fingerprint of each source file, by role: `images` and `labels`.
        converter: Version of idxpipe that wrote it.
        dataset_name: First part of the shards' file names.
        label_dtype: NumPy name of the labels' type in the source.
        file_format: `tfrecord` or `array_record`.
        compression: Of a whole TFRecord file: `none` or `gzip`.
        shuffle_seed: Seed of the records' order; -1 is the order of the source.
        source_examples: Examples in the source, of which this may be a part.
        pixel_range: The pixels that become 0 and 1 for a network; None is the range of uint8, and
            in datasets of earlier versions that of the type.
        layout: What of the source's layout is not the usual: see `LayoutConfig.recorded`.
        sorted_by_class: Whether the records stand in the order of their classes.
        class_names: A name for each class; empty if none are known.
    """

    split: str
    image_shape: tuple[int, ...]
    image_dtype: str
    num_classes: int
    class_counts: tuple[int, ...]
    shards: tuple[Shard, ...]
    sources: dict[str, str]
    converter: str
    dataset_name: str = "idx"
    label_dtype: str = "uint8"
    file_format: str = TFRECORD
    compression: str = NO_COMPRESSION
    shuffle_seed: int = FILE_ORDER
    source_examples: int = 1
    pixel_range: tuple[float, float] | None = None
    layout: dict[str, Any] = dataclasses.field(default_factory=dict)
    sorted_by_class: bool = False
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every value, and that the images fit into the shards.

        Raises:
            ValueError: Naming the first that cannot be.
        """
        _check_text("split", self.split)
        _check_text("converter", self.converter)
        _check_text("dataset_name", self.dataset_name)
        _check_one_of("image_dtype", self.image_dtype, tuple(ITEM_BYTES))
        _check_one_of("label_dtype", self.label_dtype, tuple(ITEM_BYTES))
        _check_one_of("file_format", self.file_format, FILE_FORMATS)
        _check_one_of("compression", self.compression, COMPRESSIONS)
        _check_whole("shuffle_seed", self.shuffle_seed, least=FILE_ORDER)
        _check_whole("source_examples", self.source_examples, least=1)
        if len(self.image_shape) not in (2, 3):
            raise ValueError(f"image_shape: {self.image_shape!r} has not 2 or 3 dimensions")
        for size in self.image_shape:
            _check_whole("image_shape", size, least=1)
        for role, fingerprint in self.sources.items():
            _check_text(f"sources.{role}", fingerprint)
        check_meaning(self.pixel_range, self.layout, self.class_names, self.num_classes)
        _check_whole("num_classes", self.num_classes, least=1)
        if len(self.class_counts) != self.num_classes:
            raise ValueError(f"class_counts: {len(self.class_counts)} of {self.num_classes}")
        for count in self.class_counts:
            _check_whole("class_counts", count)
        if not self.shards:
            raise ValueError("shards: none")
        packed = self.compression != NO_COMPRESSION
        for shard in self.shards:
            if not packed and shard.examples * self.image_bytes > shard.bytes:
                raise ValueError(
                    f"shards: {shard.examples} images of {self.image_bytes} bytes "
                    f"do not fit into {shard.bytes} bytes"
                )

    @property
    def image_bytes(self) -> int:
        """Length of one image."""
        return math.prod(self.image_shape) * ITEM_BYTES[self.image_dtype]

    @property
    def num_examples(self) -> int:
        """The number of records in all shards."""
        return sum(shard.examples for shard in self.shards)

    def dumps(self) -> bytes:
        """Return the manifest as JSON, the same bytes for the same dataset."""
        body = {
            "schema_version": SCHEMA_VERSION,
            "num_examples": self.num_examples,
            **{
                name: value
                for name, value in dataclasses.asdict(self).items()
                # What most data sets have not changes no byte of their manifests.
                if value or name not in _SELDOM
            },
        }
        return seal(body, indent=2)

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest, which has the checksums of all shards."""
        return hashlib.sha256(self.dumps()).hexdigest()

    @classmethod
    def loads(cls, data: bytes, where: str) -> Self:
        """Parse a manifest.

        Raises:
            DataError: If it is not JSON, not of this schema version, incomplete, or says what
                cannot be.
        """
        body = _parse(data, where)
        try:
            total = body["num_examples"]
            values = {
                field.name: body[field.name]
                for field in dataclasses.fields(cls)
                if field.name in body or field.name not in _SELDOM
            }
            for name in ("pixel_range", "class_names"):
                if name in values:
                    values[name] = tuple(values[name])
            values["shards"] = tuple(Shard(**shard) for shard in body["shards"])
            values["image_shape"] = tuple(body["image_shape"])
            values["class_counts"] = tuple(body["class_counts"])
            dataset = cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                "manifest is incomplete", where=where, found=str(error), remedy=CONVERT_AGAIN
            ) from None
        except ValueError as error:
            raise DataError(
                "manifest says what cannot be",
                where=where,
                found=str(error),
                remedy=CONVERT_AGAIN,
            ) from None
        if not dataset.num_examples == total == sum(dataset.class_counts):
            raise DataError(
                "manifest contradicts itself",
                where=where,
                expected=f"{total} examples in all",
                found=f"{dataset.num_examples} in the shards, "
                f"{sum(dataset.class_counts)} in the classes",
                remedy=CONVERT_AGAIN,
            )
        return dataset


def read_dataset(uri: str) -> Dataset:
    """Read the manifest of the dataset in the folder `uri`.

    Raises:
        DataError: If there is none, or it cannot be trusted.
    """
    manifest = storage.join(uri, MANIFEST)
    if not storage.exists(manifest):
        below = [
            storage.join(uri, name)
            for name in ("train", "test", VALIDATION)
            if storage.exists(storage.join(uri, name, MANIFEST))
        ]
        raise DataError(
            "no dataset here",
            where=uri,
            expected=f"a finished conversion with its {MANIFEST}",
            found=f"the folder of {' and '.join(below)}" if below else None,
            remedy=f"give {' or '.join(below)}"
            if below
            else f"run `idxpipe convert` to the end, or check the path; {NO_CACHE}",
        )
    return Dataset.loads(storage.read_document(manifest), manifest)


def shard_uris(uri: str, dataset: Dataset) -> list[str]:
    """Return the URIs of the shards, each checked for presence and length.

    Raises:
        DataError: If a shard is missing or differs in length from what the manifest says.
    """
    uris = [storage.join(uri, shard.name) for shard in dataset.shards]
    with ThreadPoolExecutor(_QUESTIONS_AT_A_TIME) as pool:
        sizes = list(pool.map(_size, uris))
    for shard, shard_uri, found in zip(dataset.shards, uris, sizes, strict=True):
        if found != shard.bytes:
            raise DataError(
                "shard differs in length from what the manifest says",
                where=shard_uri,
                expected=f"{shard.bytes} bytes",
                found=f"{found} bytes",
                remedy=CONVERT_AGAIN,
            )
    return uris


def _size(shard: str) -> int:
    try:
        return storage.size(shard)
    except DataError:
        raise DataError(
            "a shard of the dataset is missing",
            where=shard,
            expected=f"a file that {MANIFEST} lists",
            found="no such file",
            remedy=CONVERT_AGAIN,
        ) from None


def check_meaning(
    pixel_range: tuple[float, float] | None,
    layout: dict[str, Any],
    class_names: tuple[str, ...],
    num_classes: int,
) -> None:
    """Check what dataset.json and model.json say of what the data mean.

    Raises:
        ValueError: Naming the first value that cannot be.
    """
    numbers = pixel_range is None or (
        len(pixel_range) == 2
        and all(type(n) in (int, float) and math.isfinite(n) for n in pixel_range)
        and pixel_range[0] < pixel_range[1]
    )
    if not numbers:
        raise ValueError(f"pixel_range: {pixel_range!r} is not two numbers, the smaller first")
    if not isinstance(layout, dict):
        raise ValueError(f"layout: {layout!r} is not an object")  # noqa: TRY004
    if class_names and len(class_names) != num_classes:
        raise ValueError(f"class_names: {len(class_names)} for {num_classes} classes")
    for name in class_names:
        _check_text("class_names", name)


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: {value!r} is not text")


def _check_one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(choices)}")


def _check_whole(name: str, value: Any, *, least: int = 0, most: int | None = None) -> None:
    if type(value) is not int or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"{name}: {value!r} is not a whole number, {bounds}")


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        body = unseal(data, _SEALED_SINCE)
        version = body["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            "not a dataset manifest, or no longer what was written",
            where=where,
            expected="JSON with a schema_version",
            found=f"{data[:40]!r}: {error}",
            remedy=CONVERT_AGAIN,
        ) from None
    if version != SCHEMA_VERSION:
        raise DataError(
            "manifest has a schema version that this idxpipe cannot read",
            where=where,
            expected=SCHEMA_VERSION,
            found=version,
            remedy="use the idxpipe that wrote it, or convert again",
        )
    return body
