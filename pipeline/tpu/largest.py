"""The largest global batch that fits into the memory of a TPU, found by compiling."""

from collections.abc import Callable
from dataclasses import dataclass

from idxpipe.pipeline.tpu.compiler import Compiled, Refused

# A first guess can only go by the limit of the chip, of which the compiler keeps a part.
_GROWTH = 8


@dataclass(frozen=True)
class Largest:
    """Bounds of the largest batch.

    Attributes:
        fits: The largest global batch that compiled.
        does_not: The smallest that did not fit; 0 if all that were tried did.
        compiles: How many were compiled.
    """

    fits: int
    does_not: int
    compiles: int


def find_largest(
    attempt: Callable[[int], Compiled | Refused],
    start: int,
    first: Compiled,
    step: int,
    hbm_bytes: int,
    compiles: int,
) -> Largest:
    """Search between batches that fit and batches that do not, until no compile is left.

    Each guess goes by a straight line through the memory of the two largest batches so far, and
    halves the interval where that says nothing.

    Args:
        attempt: Compiles a global batch.
        start: A batch that fits.
        first: What it took.
        step: Batches are multiples of this.
        hbm_bytes: Memory of a replica.
        compiles: How many compilations the search may take.
    """
    low, high, done = start, 0, 0
    points = [(start, first.hbm_bytes)]
    while done < compiles and (not high or high - low > step):
        guess = _guess(points, low, high, hbm_bytes) // step * step
        top = (high - step) if high else low * _GROWTH**2
        guess = max(low + step, min(guess, top))
        found = attempt(guess)
        done += 1
        if isinstance(found, Compiled):
            low = guess
            points.append((guess, found.hbm_bytes))
        elif found.out_of_memory:
            high, hbm_bytes = guess, found.limit or hbm_bytes
        else:
            break
    return Largest(low, high, done)


def _guess(points: list[tuple[int, int]], low: int, high: int, hbm_bytes: int) -> int:
    middle = (low + high) // 2 if high else low * _GROWTH
    if len(points) < 2:
        return middle
    (b0, m0), (b1, m1) = sorted(points)[-2:]
    if m1 <= m0:
        return middle
    line = b1 + int((hbm_bytes - m1) * (b1 - b0) / (m1 - m0))
    # Beyond what is known the line is a guess; near an end it would only creep.
    return line if not high or low < line < high else middle
