"""What is known of a data set, as later stages and the report take it."""

import dataclasses
import math
from typing import Any

from idxpipe import __version__
from idxpipe.components.core.idx.class_names import dumps
from idxpipe.components.core.idx.files import ROLES
from idxpipe.components.core.shapes import format_shape
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.file_check import Inspection
from idxpipe.components.validate.finding import Finding
from idxpipe.components.validate.pixels import PixelFacts
from idxpipe.components.validate.split import Split

# 1 had neither findings nor splits.
SCHEMA_VERSION = 2


@dataclasses.dataclass
class Validation:
    """What is known of a data set.

    Attributes:
        config: What it was held against.
        depth: `headers` or `full`.
        train: Its training split.
        test: Its test split.
        num_classes: Labels run from 0 to `num_classes - 1`; None if that could not be told.
        findings: Its faults, errors first.
        class_names: A name for each class; empty if none are known.
    """

    config: ValidateConfig
    depth: str
    train: Split
    test: Split
    num_classes: int | None
    findings: list[Finding] = dataclasses.field(default_factory=list)
    class_names: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, Inspection]:
        """The four files by role, as in `ROLES`."""
        files = (self.train.images, self.train.labels, self.test.images, self.test.labels)
        return dict(zip(ROLES, files, strict=True))

    @property
    def splits(self) -> dict[str, Split]:
        """Both splits by name."""
        return {split.name: split for split in (self.train, self.test)}

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """(height, width) or (height, width, channels), upright; None without any images."""
        images = self.train.images
        if images.head is None:
            return None
        shape = self.config.order.upright(images.header.record_shape)
        return shape if len(shape) in (2, 3) else None

    @property
    def image_dtype(self) -> str | None:
        """NumPy name of the pixels' type; None without any images."""
        return self.train.images.header.dtype if self.image_shape else None

    def handed_on(self) -> tuple[Any, ...]:
        """Return what later stages take as parameters, of a data set without errors.

        The four URIs and the four fingerprints in the order of `ROLES`, then the number of
        classes, the image shape as `28x28` and the names of the classes.
        """
        files = self.files.values()
        return (
            *(file.uri for file in files),
            *(str(file.fingerprint) for file in files),
            self.num_classes,
            format_shape(self.image_shape or ()),
            dumps(self.class_names),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report, as docs/validation-report.schema.json describes it."""
        shape = self.image_shape
        return {
            "schema_version": SCHEMA_VERSION,
            "version": __version__,
            "depth": self.depth,
            "num_classes": self.num_classes,
            "class_names": list(self.class_names),
            "image_shape": None if shape is None else list(shape),
            "image_dtype": self.image_dtype,
            "label_column": self.config.label_column,
            "transposed": self.config.transposed,
            "findings": [finding.to_json() for finding in self.findings],
            "files": {role: _file(file) for role, file in self.files.items()},
            "splits": {name: self._split(split) for name, split in self.splits.items()},
        }

    def _split(self, split: Split) -> dict[str, Any]:
        counts = split.class_counts
        if counts is not None:
            counts = counts + [0] * ((self.num_classes or 0) - len(counts))
        return {
            "class_counts": counts,
            "pixels": None if split.pixels is None else _pixels(split.pixels),
        }


def _file(file: Inspection) -> dict[str, Any]:
    header = None if file.head is None else file.head.header
    return {
        "uri": file.uri,
        "compressed": file.compressed,
        "dtype": None if header is None else header.dtype,
        "shape": None if header is None else list(header.shape),
        "content_bytes": None if file.fingerprint is None else file.fingerprint.size,
        "fingerprint": None if file.fingerprint is None else str(file.fingerprint),
    }


def _pixels(facts: PixelFacts) -> dict[str, Any]:
    mean = float(facts.mean.mean())
    # Of all pixels, from those of each: the mean of squares is what adds up.
    squares = float((facts.std**2 + facts.mean**2).mean())
    return {
        "images": facts.images,
        "compared": len(facts.keys),
        "averaged": facts.averaged,
        "minimum": facts.minimum,
        "maximum": facts.maximum,
        "mean": _rounded(mean),
        "std": _rounded(math.sqrt(max(0.0, squares - mean * mean))),
        "constant_images": facts.constant[0],
        "not_finite_images": facts.not_finite[0],
        "histogram": {
            "edges": [_rounded(edge) for edge in facts.edges.tolist()],
            "counts": facts.histogram.tolist(),
        },
    }


def _rounded(value: float) -> float:
    """Drop the digits that depend on the machine's arithmetic."""
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0
