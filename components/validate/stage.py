"""Hold the four files of a data set against their headers, their lengths and each other."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.core import storage
from components.core.checks import IdxFile, check_images, check_pair, scan, scan_labels
from components.core.errors import DataError
from components.core.files import ROLES, DataFiles
from components.core.shapes import format_shape
from components.validate.config import ValidateConfig

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Validation:
    """What is known of a data set that is in order.

    Attributes:
        files: The four files by role, as in `ROLES`.
        num_classes: Labels run from 0 to `num_classes - 1`.
        image_shape: (height, width) or (height, width, channels).
        image_dtype: NumPy name of the pixels' type.
    """

    files: dict[str, IdxFile]
    num_classes: int
    image_shape: tuple[int, ...]
    image_dtype: str

    def handed_on(self) -> tuple[Any, ...]:
        """Return what later stages take as parameters.

        The four URIs and the four fingerprints in the order of `ROLES`, then the number of classes
        and the image shape as `28x28`.
        """
        files = [self.files[role] for role in ROLES]
        return (
            *(file.uri for file in files),
            *(str(file.fingerprint) for file in files),
            self.num_classes,
            format_shape(self.image_shape),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report."""
        return {
            "schema_version": SCHEMA_VERSION,
            "num_classes": self.num_classes,
            "image_shape": list(self.image_shape),
            "image_dtype": self.image_dtype,
            "files": {
                role: {
                    "uri": file.uri,
                    "compressed": file.compressed,
                    "dtype": file.header.dtype,
                    "shape": list(file.header.shape),
                    "content_bytes": file.fingerprint.size,
                    "fingerprint": str(file.fingerprint),
                }
                for role, file in self.files.items()
            },
        }


def validate(files: DataFiles, config: ValidateConfig, report: str | None = None) -> Validation:
    """Check a data set and take its fingerprints, in one pass over each file.

    Args:
        files: The four files, plain or gzip.
        config: What they should be.
        report: URI of a JSON report to write; written only when everything is in order.

    Raises:
        DataError: Naming the file and byte of the first thing that is wrong.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        train = pool.submit(scan, files.train_images, check_images(config.shape))
        test = pool.submit(scan, files.test_images, check_images(config.shape))
        train_labels, largest = scan_labels(files.train_labels, config.num_classes)
        num_classes = config.num_classes or largest + 1
        test_labels, _ = scan_labels(files.test_labels, num_classes)
        found = dict(
            zip(ROLES, (train.result(), train_labels, test.result(), test_labels), strict=True)
        )
    check_pair(found["train_images"], found["train_labels"])
    check_pair(found["test_images"], found["test_labels"])
    _check_splits(found["train_images"], found["test_images"])
    header = found["train_images"].header
    validation = Validation(found, num_classes, header.record_shape, header.dtype)
    if report:
        storage.write(report, (json.dumps(validation.to_json(), indent=2) + "\n").encode())
    return validation


def _check_splits(train: IdxFile, test: IdxFile) -> None:
    for what, offset, one, other in (
        ("type", 2, train.header.dtype, test.header.dtype),
        ("shape", 8, train.header.record_shape, test.header.record_shape),
    ):
        if one != other:
            raise DataError(
                f"test images have another {what} than training images",
                where=test.uri,
                offset=offset,
                expected=f"{one}, as {train.uri}",
                found=other,
                remedy="take both splits from the same data set",
            )
