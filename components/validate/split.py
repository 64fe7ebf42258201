"""One split: its two files, read one after the other, and what is remarkable about them."""

import dataclasses
from collections.abc import Iterator

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.checks import check_pair, image_faults, label_faults
from idxpipe.components.core.idx.labels import LabelCount
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.validate import appearance, duplicates, meaning
from idxpipe.components.validate.file_check import Inspection, inspect_content, inspect_head
from idxpipe.components.validate.label_statistics import LabelStatistics
from idxpipe.components.validate.pixels import PixelFacts, Pixels

# Classes of a balanced set differ by less; those of EMNIST ByClass by a factor of twenty.
IMBALANCE_RATIO = 10


@dataclasses.dataclass
class Split:
    """What is known of one split so far.

    Attributes:
        name: `train` or `test`.
        images: Its images file.
        labels: Its labels file.
        class_counts: Labels of each class, from 0 to the largest; None if they were not read.
        label_statistics: The labels themselves; None likewise.
        pixels: What the images look like; None if they were not looked at.
    """

    name: str
    images: Inspection
    labels: Inspection
    class_counts: list[int] | None = None
    label_statistics: LabelStatistics | None = None
    pixels: PixelFacts | None = None

    @classmethod
    def begin(cls, name: str, images: str, labels: str, layout: LayoutConfig) -> "Split":
        """Look at the beginning of both files.

        Args:
            name: Of the split.
            images: URI of its images.
            labels: URI of its labels.
            layout: What they should be.
        """
        split = cls(
            name,
            inspect_head(
                images, lambda u, header: image_faults(u, header, layout.shape, layout.order)
            ),
            inspect_head(labels, lambda u, header: label_faults(u, header, layout.column)),
        )
        if split.images.fits and split.labels.fits:
            try:
                check_pair(split.images, split.labels)
            except DataError as error:
                split.labels.faults.append(error)
        return split

    def read_labels(self, num_classes: int, layout: LayoutConfig, keep: bool) -> None:
        """Read all labels.

        Args:
            num_classes: They must be below; 0 allows all.
            layout: Which number of a record is the label, and which is that of class 0.
            keep: Whether to keep them, to say which images they belong to.
        """
        if not self.labels.fits or self.labels.has(Code.LABEL_COLUMN, Code.ONE_HOT):
            inspect_content(self.labels, None)
            return
        header = self.labels.header
        rule = layout.column, layout.label_offset
        count = LabelCount(self.labels.uri, header, num_classes, *rule)
        statistics = LabelStatistics(header, *rule) if keep else None

        def look(data: bytes, offset: int) -> None:
            count(data, offset)
            if statistics:
                statistics(data, offset)

        inspect_content(self.labels, look)
        if statistics:
            statistics.flush()
        self.class_counts, self.label_statistics = count.counts, statistics
        for fault in (count.rows_fault(), count.fault()):
            if fault:
                self.labels.faults.append(fault)

    def read_images(self, look: bool, order: PixelOrder) -> None:
        """Read all images.

        Args:
            look: Whether to look at the pixels, too, besides the bytes' number and checksum.
            order: How pixels are stored.
        """
        if not look or not self.images.fits:
            inspect_content(self.images, None)
            return
        first = self.label_statistics.first if self.label_statistics else {}
        wanted = [number for numbers in first.values() for number in numbers]
        pixels = Pixels(self.images.header, wanted or range(64), order)
        inspect_content(self.images, pixels)
        self.pixels = pixels.facts()

    def label_warnings(self, num_classes: int, layout: LayoutConfig) -> Iterator[DataError]:
        """Yield what is remarkable about the labels."""
        counts = self.class_counts
        if not counts or self.labels.has(Code.LABEL_RANGE, Code.ONE_HOT):
            return
        yield from meaning.label_warnings(
            self.labels, counts, self.label_statistics, num_classes, layout
        )
        where = self.labels.uri
        if len(counts) == 1 and num_classes > 1:
            yield DataError(
                "all labels are zero",
                where=where,
                offset=self.labels.header.data_offset,
                expected=f"labels of {num_classes} classes",
                found=f"{counts[0]} labels, all of them 0",
                remedy="take the labels from their source again",
                code=Code.ALL_ZERO,
            )
            return
        missing = [c for c in range(num_classes) if c >= len(counts) or not counts[c]]
        if meaning.begins_at_one(counts, num_classes, layout):
            missing.remove(0)
        if missing:
            yield DataError(
                "classes without an example",
                where=where,
                expected=f"examples of {num_classes} classes",
                found=f"none of {_listed(missing)}",
                remedy="add examples, or set num_classes to the number of classes",
                code=Code.MISSING_CLASSES,
            )
        least, most = min(n for n in counts if n), max(counts)
        if most > IMBALANCE_RATIO * least:
            yield DataError(
                "classes are far from equally frequent",
                where=where,
                expected=f"at most {IMBALANCE_RATIO} times as many of one class as of another",
                found=f"{most} of class {counts.index(most)}, {least} of class "
                f"{counts.index(least)}",
                remedy="train with class_weights balanced, or judge by figures of each class",
                code=Code.IMBALANCE,
            )

    def pixel_warnings(self, layout: LayoutConfig, odd: bool) -> Iterator[DataError]:
        """Yield what is remarkable about the images.

        Args:
            layout: What they should be.
            odd: Whether they look different from those of the other split.
        """
        facts = self.pixels
        if not facts:
            return
        header, where = self.images.header, self.images.uri
        if facts.minimum == facts.maximum == 0 and facts.constant[0] == facts.images:
            yield DataError(
                "all pixels are zero",
                where=where,
                offset=header.data_offset,
                expected="images",
                found=f"{facts.images} images of zeros",
                remedy="take the images from their source again",
                code=Code.ALL_ZERO,
            )
            return
        for code, what, (count, number) in (
            (Code.CONSTANT_IMAGES, "images of a single value", facts.constant),
            (Code.NOT_FINITE, "images with NaN or infinite pixels", facts.not_finite),
        ):
            if count:
                yield DataError(
                    what,
                    where=where,
                    offset=header.offset(number),
                    expected="none",
                    found=f"{count}, the first is image {number}",
                    remedy="take these images from their source again, or leave them out",
                    code=code,
                )
        yield from self._repeats(facts)
        yield from meaning.pixel_warnings(self.images, facts, layout)
        # Pixels of a file that lost or gained bytes stand in other places.
        if not odd and not self.images.has(Code.CUT_SHORT, Code.GOES_ON):
            yield from self._appearance(facts, layout.transposed)

    def _appearance(self, facts: PixelFacts, transposed: bool) -> Iterator[DataError]:
        where = self.images.uri
        if appearance.sides_swapped(facts):
            height, width = facts.mean.shape[:2]
            yield DataError(
                "images look as if height and width had changed places",
                where=where,
                offset=8,
                expected=f"{height} rows of {width} pixels, as the header says",
                found=f"what looks like {width} rows of {height} pixels",
                remedy=f"write {width} before {height} into the header: height comes first",
                code=Code.SIDES,
            )
        border = appearance.inverted(facts)
        if border:
            yield DataError(
                "images look inverted",
                where=where,
                expected="a dark background, as in MNIST",
                found=f"a border of {100 * border:.0f} % brightness",
                remedy="subtract the pixels from their maximum, if models or data sets that these "
                "are used with have it the other way round",
                code=Code.INVERTED,
            )
        if appearance.upright(facts) if transposed else appearance.transposed(facts):
            yield DataError(
                "images look transposed",
                where=where,
                expected="signs that stand upright",
                found=f"signs that lie on their side{' once turned' if transposed else ''}",
                remedy=f"set transposed to {str(not transposed).lower()}, if the samples in the "
                "report lie on their side",
                code=Code.TRANSPOSED,
            )

    def _repeats(self, facts: PixelFacts) -> Iterator[DataError]:
        labels = self.label_statistics.labels if self.label_statistics else None
        every, conflicts = duplicates.within(facts.keys, labels)
        for code, what, repeats in (
            (Code.DUPLICATES, "images that are there more than once", every),
            (Code.LABEL_CONFLICTS, "images that are the same with different labels", conflicts),
        ):
            if repeats:
                yield DataError(
                    what,
                    where=self.images.uri,
                    offset=self.images.header.offset(repeats.number),
                    expected="each image once",
                    found=f"{repeats.count} repeated, the first is image {repeats.number}, which "
                    f"is image {repeats.original} again",
                    remedy="leave the repeated images out"
                    if code is Code.DUPLICATES
                    else "look at these images, and correct their labels",
                    code=code,
                )


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} more" if len(numbers) > 8 else shown
