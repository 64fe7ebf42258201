"""Which examples are held out, and in which order images from folders are written.

Both go by a hash of the seed and the example's name: not by the order in which a file system lists
files, nor by NumPy's version, whose random streams may change (NEP 19).
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def hold_out(
    labels: NDArray[np.integer], names: Sequence[str], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Return which examples are held out: of each class its share.

    The shares are rounded so that their sum is that of the whole, rounded up (largest remainders).
    A class keeps at least one example.

    Args:
        labels: [N].
        names: N of them, each different.
        fraction: Share to hold out.
        seed: Decides which.

    Returns:
        [N], True where held out.
    """
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    wanted = counts * fraction
    shares = np.floor(wanted).astype(np.int64)
    # As scikit-learn: that of the whole is rounded up.
    left = int(np.ceil(round(len(labels) * fraction, 6))) - int(shares.sum())
    shares[np.argsort(shares - wanted, kind="stable")[:left]] += 1
    shares = np.minimum(shares, counts - 1)
    held = np.zeros(len(labels), np.bool_)
    order = shuffled(names, seed)
    for number in range(len(classes)):
        members = order[place[order] == number]
        held[members[: shares[number]]] = True
    return held


def shuffled(names: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Return the order of `names` by their hash with the seed: int64 [N]."""
    start = hashlib.sha256(f"{seed}\0".encode())
    keys = []
    for name in names:
        key = start.copy()
        key.update(name.encode(errors="surrogatepass"))
        keys.append(key.digest())
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
