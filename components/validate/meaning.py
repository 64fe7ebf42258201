"""Whether labels and pixels mean what they are taken for: what no format says."""

from collections.abc import Iterator, Sequence

from idxpipe.components.core.codes import Code
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.labels import is_sorted
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.validate.file_check import Inspection
from idxpipe.components.validate.label_statistics import LabelStatistics
from idxpipe.components.validate.pixels import PixelFacts

# Share of the range that pixels fill at least, and how many times it they reach at most.
_SLIVER = 1 / 16
_BEYOND = 1.5
# No picture has such pixels; floats in the other byte order have.
_BEYOND_ANY = 1e15
_BYTE = 256
_RANGES = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}
# Columns and type of QMNIST's labels, of which the first is the class.
# Source: https://github.com/facebookresearch/qmnist, "The QMNIST dataset".
_QMNIST = (8, "int32")


def begins_at_one(counts: Sequence[int], num_classes: int, layout: LayoutConfig) -> bool:
    """Tell whether the only class without an example is class 0, so that labels begin at 1."""
    full = len(counts) == num_classes and all(counts[1:])
    return full and num_classes > 2 and not counts[0] and not layout.label_offset


def label_warnings(
    labels: Inspection,
    counts: Sequence[int],
    statistics: LabelStatistics | None,
    num_classes: int,
    layout: LayoutConfig,
) -> Iterator[DataError]:
    """Yield what is remarkable about what labels mean.

    Args:
        labels: Their file.
        counts: Labels of each class.
        statistics: The labels themselves; None if they were not looked at.
        num_classes: Classes that there are.
        layout: What they are taken for.
    """
    where, header = labels.uri, labels.header
    if begins_at_one(counts, num_classes, layout):
        yield DataError(
            "labels begin at 1",
            where=where,
            expected=f"labels from 0 to {num_classes - 1}",
            found=f"labels from 1 to {num_classes - 1}, and none of class 0",
            remedy=f"set label_offset to 1 and num_classes to {num_classes - 1}: label 1 becomes "
            "class 0",
            code=Code.LABEL_BASE,
        )
    rows = header.shape[1] if len(header.shape) == 2 else 1
    if rows > 1 and layout.column == 0 and (rows, header.dtype) != _QMNIST:
        yield DataError(
            "label records have several columns",
            where=where,
            offset=8,
            expected="one label a record, or QMNIST's 8 columns of int32",
            found=f"{rows} columns of {header.dtype}; column 0 is taken as the class, as its "
            f"numbers are labels of {num_classes} classes",
            remedy="set label_column to the column of the class, if it is not the first",
            code=Code.LABEL_ROWS,
        )
    if num_classes == 1:
        yield DataError(
            "all labels are of one class",
            where=where,
            expected="labels of several classes",
            found=f"{counts[0]} labels of the same",
            remedy="add examples of another class: there is nothing to tell apart",
            code=Code.ONE_CLASS,
        )
    present = sum(1 for count in counts if count)
    if statistics and is_sorted(statistics.runs, present, sum(counts)):
        yield DataError(
            "examples are sorted by class",
            where=where,
            expected="examples of all classes mixed",
            found=f"{statistics.runs} runs of one class in {sum(counts)} labels",
            remedy="set shuffle_seed to 0 or more, so that the conversion mixes them: a training "
            "whose shuffle_buffer is smaller than the split would see one class after the other",
            code=Code.SORTED,
        )


def pixel_warnings(
    images: Inspection, facts: PixelFacts, layout: LayoutConfig
) -> Iterator[DataError]:
    """Yield a warning if pixels fill little of the range that they are taken to have.

    Args:
        images: Their file.
        facts: What was seen of them.
        layout: What they are taken for.
    """
    if _is_swapped(images.header.dtype, facts):
        yield DataError(
            "pixels look little-endian",
            where=images.uri,
            offset=images.header.data_offset,
            expected="big-endian numbers, as the format has them",
            found=f"{facts.minimum:g} to {facts.maximum:g}",
            remedy="write the pixels big-endian",
            code=Code.PIXEL_RANGE,
        )
        return
    bounds = layout.bounds or _RANGES.get(images.header.dtype)
    if bounds is None or facts.minimum == facts.maximum:
        return
    low, high = bounds
    width, middle = high - low, (high + low) / 2
    reach = max(abs(facts.maximum - middle), abs(facts.minimum - middle))
    filled = (facts.maximum - facts.minimum) / width
    if filled >= _SLIVER and reach <= _BEYOND * width:
        return
    yield DataError(
        "pixels fill little of their range"
        if filled < _SLIVER
        else "pixels lie far outside their range",
        where=images.uri,
        offset=images.header.data_offset,
        expected=f"pixels from {low:g} to {high:g}, which the network gets as 0 to 1",
        found=f"{facts.minimum:g} to {facts.maximum:g}",
        remedy=f"set pixel_range to {facts.minimum:g},{facts.maximum:g}, or to what these pixels "
        "can be at least and at most",
        code=Code.PIXEL_RANGE,
    )


def _is_swapped(dtype: str, facts: PixelFacts) -> bool:
    """Tell whether pixels make sense only if they are read in the other byte order."""
    if dtype.startswith("float"):
        return max(abs(facts.minimum), abs(facts.maximum)) > _BEYOND_ANY
    ends = facts.minimum, facts.maximum
    samples = facts.samples.values()
    # Small numbers, read the wrong way round, end in a byte of zeros.
    return (
        dtype in ("int16", "int32")
        and facts.minimum < facts.maximum
        and not any(int(end) % _BYTE for end in ends)
        and not any((sample % _BYTE).any() for sample in samples)
    )
