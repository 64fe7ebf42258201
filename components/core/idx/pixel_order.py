"""How the pixels of an image stand in an IDX file, and how to turn them upright, channels last."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class PixelOrder:
    """An order of pixels; the usual one is row by row, channels last.

    Attributes:
        transposed: Column by column, as in EMNIST.
        channels_first: One channel after the other, as PyTorch holds images.
        flattened: Each image is a row of pixels.
        shape: What such a row is, upright and channels last; None takes squares.
    """

    transposed: bool = False
    channels_first: bool = False
    flattened: bool = False
    shape: tuple[int, ...] | None = None

    @property
    def is_usual(self) -> bool:
        """Whether bytes need not be moved."""
        return not (self.transposed or self.channels_first)

    def unflattened(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a record as the header gives it, with rows of pixels cut up.

        A row that does not fit stays what it is.
        """
        if not self.flattened or len(stored) != 1:
            return stored
        if self.shape:
            cut = self.stored(self.shape)
        else:
            side = math.isqrt(stored[0])
            cut = (side, side)
        return cut if math.prod(cut) == stored[0] else stored

    def upright(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Return the upright shape, channels last, of a record of this shape."""
        cut = self.unflattened(stored)
        return tuple(cut[axis] for axis in self._axes(len(cut)))

    def stored(self, upright: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that is stored, before it is flattened, of an upright one."""
        shape = [0] * len(upright)
        for size, axis in zip(upright, self._axes(len(upright)), strict=True):
            shape[axis] = size
        return tuple(shape)

    def turn(self, images: "NDArray[Any]", stored: tuple[int, ...]) -> "NDArray[Any]":
        """Return images upright, channels last: a view where the order is the usual one.

        Args:
            images: Any shape of N records.
            stored: Shape of a record in the file's header.

        Returns:
            [N, *upright].
        """
        cut = self.unflattened(stored)
        axes = [0, *(1 + axis for axis in self._axes(len(cut)))]
        return images.reshape(-1, *cut).transpose(axes)

    def _axes(self, rank: int) -> tuple[int, ...]:
        """Return where each axis of an upright image is in a stored one."""
        if rank < 2:
            return tuple(range(rank))
        rows, columns, *rest = (1, 2, 0) if self.channels_first and rank == 3 else range(rank)
        return (columns, rows, *rest) if self.transposed else (rows, columns, *rest)
