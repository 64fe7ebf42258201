"""95 % intervals of a share of right answers; NumPy only."""

import math

import numpy as np

# The 0.975 quantile of the standard normal distribution: 95 % lie within plus and minus this.
_Z95 = 1.959963984540054
RESAMPLES = 10_000
_SEED = 0


def bootstrap_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a share of `right` in `total`.

    The number of right ones among `total` examples drawn with replacement is binomial, so that each
    of the `RESAMPLES` resamples is one number, whatever the size of the split. The seed is fixed:
    equal counts give equal intervals.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7
    (1979), 1-26.
    """
    resampled = np.random.default_rng(_SEED).binomial(total, right / total, RESAMPLES)
    low, high = np.quantile(resampled, (0.025, 0.975)) / total
    return float(low), float(high)


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `right` in `total`, which fits few examples, too.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    JASA 22 (1927), 209-212. Unlike the bootstrap it does not collapse where all are right, or none.
    """
    share, z2 = right / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Rounding can put an end just inside of 0, 1 or the share itself.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
