"""A pseudo-random permutation of record numbers, computed place by place: no table, no sorting.

A Feistel network over pairs of digits, with walks back into the range. Source: Black and Rogaway,
"Ciphers with Arbitrary Finite Domains", CT-RSA 2002, methods "generalized Feistel" and
"cycle-walking". The mixing function is SplitMix64: Steele, Lea and Flood, "Fast Splittable
Pseudorandom Number Generators", OOPSLA 2014.
"""

import math

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8


def source_indices(positions: NDArray[np.int64], num_records: int, seed: int) -> NDArray[np.int64]:
    """Return which record of the source stands at each position of the shuffled order.

    Args:
        positions: int64 [rows], each in [0, num_records).
        num_records: Records in the source.
        seed: The same seed gives the same order.

    Returns:
        int64 [rows], each in [0, num_records); distinct for distinct positions.
    """
    left = math.isqrt(num_records - 1) + 1
    right = -(-num_records // left)
    keys = mix(np.arange(_ROUNDS, dtype=np.uint64) + (np.uint64(seed) << np.uint64(16)))
    found = _permuted(positions.astype(np.int64), left, right, keys)
    while (outside := np.flatnonzero(found >= num_records)).size:
        found[outside] = _permuted(found[outside], left, right, keys)
    return found


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64 of each value: uint64 [rows], as good as random."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _permuted(
    values: NDArray[np.int64], left: int, right: int, keys: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Return a permutation of [0, left * right) at `values`."""
    high, low = np.divmod(values.astype(np.uint64), np.uint64(right))
    for number, key in enumerate(keys):
        if number % 2:
            low = _add(low, mix(high ^ key), right)
        else:
            high = _add(high, mix(low ^ key), left)
    return (high * np.uint64(right) + low).astype(np.int64)


def _add(digits: NDArray[np.uint64], random: NDArray[np.uint64], base: int) -> NDArray[np.uint64]:
    """Return digits plus random ones, modulo `base`, which is below 2**32."""
    # A product's upper half is as even as a remainder, and many times faster. Source: Lemire,
    # "Fast Random Integer Generation in an Interval", ACM TOMACS 2019.
    total = digits + ((random >> np.uint64(32)) * np.uint64(base) >> np.uint64(32))
    return np.where(total < base, total, total - np.uint64(base))
