"""The parameters of an import."""

import dataclasses

from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.shapes import parse_shape

GREY, COLOUR = 1, 3


@dataclasses.dataclass(frozen=True)
class ImportConfig(Config):
    """How a source becomes a data set."""

    test_fraction: float = parameter(
        0.1,
        "share of each class that becomes the test split, where the source has none",
        minimum=0.001,
        maximum=0.9,
    )
    seed: int = parameter(
        0, "decides which examples are held out, and the order of images from folders", minimum=0
    )
    resize: str = parameter("", "HEIGHTxWIDTH that every image is scaled to (bicubic)")
    image_shape: str = parameter(
        "",
        "HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS of images that are rows of numbers; "
        "square and grey if not given",
    )
    grayscale: bool = parameter(default=False, help="make every image grey (ITU-R 601-2 luma)")
    rgb: bool = parameter(default=False, help="make every image one of three channels")
    skip_bad: bool = parameter(
        default=False, help="leave out images that cannot be used, and list them in skipped.csv"
    )
    gzip: bool = parameter(default=False, help="write .gz files")

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If one is out of bounds or no shape, or two exclude each other.
        """
        super().__post_init__()
        for name in ("resize", "image_shape"):
            _shape(name, getattr(self, name))
        if self.grayscale and self.rgb:
            raise UsageError(
                "images cannot be grey and have colours",
                where="--grayscale, --rgb",
                expected="one of them, or neither",
                found="both",
            )

    @property
    def size(self) -> tuple[int, ...] | None:
        """(height, width) to scale to, or None."""
        return _shape("resize", self.resize)

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        """The shape of images that are rows of numbers, or None."""
        return _shape("image_shape", self.image_shape)

    @property
    def channels(self) -> int | None:
        """Channels to convert to: `GREY`, `COLOUR` or None."""
        return GREY if self.grayscale else COLOUR if self.rgb else None

    @property
    def changes_images(self) -> bool:
        """Whether images become others."""
        return self.size is not None or self.channels is not None


def _shape(name: str, text: str) -> tuple[int, ...] | None:
    try:
        shape = parse_shape(text) if text else None
        ranks = (2,) if name == "resize" else (2, 3)
        if not text or (shape and len(shape) in ranks):
            return shape
    except UsageError:
        pass
    raise UsageError(
        "not a shape",
        where="--" + name.replace("_", "-"),
        expected="HEIGHTxWIDTH" + ("" if name == "resize" else " or HEIGHTxWIDTHxCHANNELS"),
        found=repr(text),
    )
