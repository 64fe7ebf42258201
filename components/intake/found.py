"""What a source holds, whatever its format."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.printable import printable

_SHOWN = 20


class Images(Protocol):
    """An array whose rows are read when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, *image_shape]."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[Any]:
        """Return some rows: [rows, *image_shape]."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Examples that the source holds together.

    Attributes:
        split: `train`, `test`, or empty where the source does not say.
        images: [N, *image_shape].
        labels: int64 [N].
        origins: Where each comes from, N of them, each different.
    """

    split: str
    images: Images
    labels: NDArray[np.int64]
    origins: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Bad:
    """An example that cannot be used.

    Attributes:
        name: Its name in the source.
        reason: Why.
    """

    name: str
    reason: str

    def to_json(self) -> dict[str, str]:
        """Return both as JSON values."""
        return {"name": self.name, "reason": self.reason}


@dataclasses.dataclass(frozen=True)
class Found:
    """All that a source holds.

    Attributes:
        parts: Its examples.
        class_names: A name for each label.
        ordered: Whether the order of the examples is one that somebody gave them.
        bad: What cannot be used.
        total: Examples with those that cannot be used.
        left_out: Names of files and arrays that are none of examples.
    """

    parts: tuple[Part, ...]
    class_names: tuple[str, ...]
    ordered: bool
    bad: tuple[Bad, ...] = ()
    total: int = 0
    left_out: tuple[str, ...] = ()


class ImagesError(DataError):
    """A source with images that stand in the way.

    Args:
        problem: One line that says what is wrong.
        uri: The source.
        images: The images, each with what it is or why it cannot be used.
        found: What to say before their names.
        expected: What would have been right.
        remedy: What to do about it.

    Attributes:
        images: All of them; the message names the first.
    """

    def __init__(
        self,
        problem: str,
        uri: str,
        images: Sequence[Bad],
        *,
        remedy: str,
        found: str = "",
        expected: str | None = None,
    ) -> None:
        self.images = tuple(images)
        lines = [printable(f"{image.name}: {image.reason}") for image in images[:_SHOWN]]
        if len(images) > _SHOWN:
            lines.append(f"and {len(images) - _SHOWN} more: --json lists all")
        text = "\n".join([*filter(None, [found]), *lines])
        super().__init__(problem, where=uri, expected=expected, found=text, remedy=remedy)


def bad_images(uri: str, bad: Sequence[Bad], total: int) -> ImagesError:
    """Return the error of images that cannot be used."""
    return ImagesError(
        f"{len(bad)} of {total} images cannot be used; nothing was written",
        uri,
        bad,
        remedy="mend or remove them; or leave them out with --skip-bad, which lists them in "
        "skipped.csv",
    )
