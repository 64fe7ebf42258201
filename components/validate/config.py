"""Parameters of the validate stage: what the data set should be."""

import dataclasses

from components.core.checks import MAX_CLASSES
from components.core.config import Config, parameter
from components.core.shapes import parse_shape


@dataclasses.dataclass(frozen=True)
class ValidateConfig(Config):
    """What the files are held against, besides themselves and each other."""

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

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The expected shape of one image, or None for `auto`."""
        return parse_shape(self.image_shape)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If a value is out of bounds or no shape.
        """
        super().__post_init__()
        parse_shape(self.image_shape)
