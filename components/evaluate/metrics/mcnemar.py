"""McNemar's exact test: which of two classifiers is right more often on the same examples?"""

import dataclasses
import math

# Terms this much smaller than the largest do not change the sum in double precision.
_NEGLIGIBLE = 1e-18


def mcnemar(lost: int, won: int) -> float:
    """Return the one-sided p-value against "the new classifier is not worse".

    Were both equally good, each example that only one of them gets right would be a fair coin: the
    p-value is the probability of `lost` or more heads in `lost + won` throws.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12 (1947), 153-157; exact, without its normal approximation.

    Args:
        lost: Examples that only the old one gets right.
        won: Examples that only the new one gets right.
    """
    throws = lost + won
    if 2 * lost > throws:
        return _tail(lost, throws)
    # The other tail is the short one, where terms only fall.
    return 1.0 - _tail(throws - lost + 1, throws)


def _tail(heads: int, throws: int) -> float:
    """Return the probability of at least `heads` heads, more than half of the throws."""
    if heads > throws:
        return 0.0
    largest = math.exp(
        math.lgamma(throws + 1)
        - math.lgamma(heads + 1)
        - math.lgamma(throws - heads + 1)
        - throws * math.log(2)
    )
    terms = [1.0]
    for k in range(heads, throws):
        terms.append(terms[-1] * (throws - k) / (k + 1))
        if terms[-1] < _NEGLIGIBLE:
            break
    return min(1.0, largest * math.fsum(terms))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A model against the baseline on the same examples.

    Attributes:
        accuracy: The baseline's accuracy.
        lost: Examples that only the baseline classified right.
        won: Examples that only the model classified right.
        p_value: Of McNemar's exact one-sided test against "the model is not worse".
        alpha: The model counts as worse if the p-value is below this.
    """

    accuracy: float
    lost: int
    won: int
    p_value: float
    alpha: float

    @property
    def worse(self) -> bool:
        """Whether the model is significantly worse."""
        return self.p_value < self.alpha
