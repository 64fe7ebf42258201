"""How IDX files hold a data set: what validate checks and convert goes by."""

import dataclasses

from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.idx.labels import MAX_CLASSES
from idxpipe.components.core.shapes import parse_shape


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

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The expected shape of one image, upright, or None for `auto`."""
        return parse_shape(self.image_shape)

    @property
    def stored_shape(self) -> tuple[int, ...] | None:
        """The same as the header of an images file gives it."""
        shape = self.shape
        return shape and upright(shape, self.transposed)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If a value is out of bounds or no shape.
        """
        super().__post_init__()
        parse_shape(self.image_shape)


def upright(shape: tuple[int, ...], transposed: bool) -> tuple[int, ...]:
    """Return an image's shape with height and width exchanged, if `transposed`."""
    return (shape[1], shape[0], *shape[2:]) if transposed else shape
