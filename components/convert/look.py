"""What the examples of a shard say of it as they go by: the pixels' range, and sorted labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of these types the range is known; of the others nobody uses all of it.
FULL_RANGE = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}


class ShardLook:
    """Looks at the examples of a shard, some at a time.

    Args:
        dtype: NumPy name of the pixels' type.

    Attributes:
        runs: Runs of equal labels so far.
    """

    def __init__(self, dtype: str) -> None:
        self.runs = 0
        self._last: int | None = None
        self._dtype = None if dtype in FULL_RANGE else np.dtype(dtype).newbyteorder("<")
        self._low, self._high = np.inf, -np.inf

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """The smallest and the largest finite pixel so far; None if they are not looked for."""
        return (float(self._low), float(self._high)) if self._low <= self._high else None

    def __call__(self, pixels: NDArray[Any], labels: NDArray[np.int64]) -> None:
        """Look at some examples.

        Args:
            pixels: uint8 [rows, record_bytes], little-endian.
            labels: int64 [rows], at least one.
        """
        self.runs += int(np.count_nonzero(labels[1:] != labels[:-1]))
        self.runs += int(labels[0]) != self._last
        self._last = int(labels[-1])
        if self._dtype is None:
            return
        values = np.ascontiguousarray(pixels).view(self._dtype)
        if self._dtype.kind == "f" and not np.isfinite(values.sum(dtype=np.float64)):
            values = values[np.isfinite(values)]
        if values.size:
            self._low = min(self._low, values.min())
            self._high = max(self._high, values.max())
