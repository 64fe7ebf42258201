"""How IDX files hold a data set: what validate checks and convert goes by."""

import dataclasses
import math
from typing import Any

from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.labels import MAX_CLASSES, ONE_HOT
from idxpipe.components.core.idx.pixel_order import PixelOrder
from idxpipe.components.core.shapes import AUTO, parse_shape

# What of a layout is recorded beside the data made of it, where it is not the usual.
_RECORDED = ("transposed", "channels_first", "flattened", "label_offset")


@dataclasses.dataclass(frozen=True)
class LayoutConfig(Config):
    """What the files hold, besides what their headers say."""

    num_classes: int = parameter(
        10,
        "labels run from 0 to one less; 0 takes the largest label of the training split",
        unit="classes",
        minimum=0,
        maximum=MAX_CLASSES,
    )
    image_shape: str = parameter(
        "28x28", "HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS; `auto` takes the training images' shape"
    )
    label_column: int = parameter(
        0,
        "column of the class where label records are rows of numbers, as in QMNIST",
        minimum=0,
        maximum=1023,
        seldom=True,
    )
    transposed: bool = parameter(
        default=False,
        help="whether images are stored column by column, as in EMNIST; they are then turned "
        "upright, and image_shape is what comes of that",
        seldom=True,
    )

    one_hot: bool = parameter(
        default=False,
        help="whether label records are one-hot rows: the class is the column with the largest "
        "number",
        seldom=True,
    )
    label_offset: int = parameter(
        0,
        "the smallest label, which becomes class 0: 1 where labels begin at 1, as in EMNIST "
        "letters",
        minimum=-MAX_CLASSES,
        maximum=MAX_CLASSES,
        seldom=True,
    )
    channels_first: bool = parameter(
        default=False,
        help="whether images are stored channels first, as PyTorch holds them; image_shape is what "
        "comes of that, channels last",
        seldom=True,
    )
    flattened: bool = parameter(
        default=False,
        help="whether images are stored as rows of pixels, e.g. 784 for 28x28; with image_shape "
        "`auto` they are squares",
        seldom=True,
    )
    pixel_range: str = parameter(
        AUTO,
        "LOW,HIGH: the pixels that become 0 and 1 for the network, e.g. 0,255; `auto` is the "
        "type's range for uint8 and int8, else the training split's smallest and largest pixel",
        seldom=True,
    )

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The expected shape of one image, upright, or None for `auto`."""
        return parse_shape(self.image_shape)

    @property
    def order(self) -> PixelOrder:
        """How pixels stand in the file."""
        shape = self.shape if self.flattened else None
        return PixelOrder(self.transposed, self.channels_first, self.flattened, shape)

    @property
    def column(self) -> int:
        """Which number of a label record is the class; `ONE_HOT` is the place of the largest."""
        return ONE_HOT if self.one_hot else self.label_column

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The pixels that become 0 and 1; None for `auto`."""
        return parse_range(self.pixel_range)

    def recorded(self) -> dict[str, Any]:
        """Return what differs from the usual, for dataset.json and model.json."""
        usual = type(self)()
        changed = [n for n in _RECORDED if getattr(self, n) != getattr(usual, n)]
        return {name: getattr(self, name) for name in changed}

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If a value is out of bounds, no shape or no range, or two exclude each
                other.
        """
        super().__post_init__()
        parse_shape(self.image_shape)
        parse_range(self.pixel_range)
        if self.one_hot and self.label_column:
            raise UsageError(
                "one-hot rows have no column of the class",
                where="label_column",
                expected="0 with one_hot",
                found=self.label_column,
                remedy="leave out one_hot or label_column",
            )


def parse_range(text: str) -> tuple[float, float] | None:
    """Return `0,255` as two numbers; None for `auto`.

    Raises:
        UsageError: If it is neither, or the second is not above the first.
    """
    if text == AUTO:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = 0.0
    # Written so that NaN is refused.
    if not (high > low and abs(low) < math.inf and high < math.inf):
        raise UsageError(
            "not a range of pixels",
            where="pixel_range",
            expected=f"LOW,HIGH with LOW below HIGH, e.g. 0,255, or {AUTO}",
            found=repr(text),
        )
    return low, high
