"""Shares: which part of a layer's units, or of its numbers, has gone wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.auditing.judging.simultaneous import LEVEL, holm


@dataclass(frozen=True, slots=True)
class Share:
    """A part of independent units.

    Args:
        layer: Where.
        count: How many have gone wrong.
        units: Of how many.
    """

    layer: str
    count: int
    units: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.units


def more_than(shares: Sequence[Share], chance: float) -> list[Share]:
    """Return the shares that are larger than units that go wrong independently with this chance explain.

    The exact binomial test, by Holm's method over all layers.

    >>> [found.layer for found in more_than([Share("a", 58, 100), Share("b", 75, 100)], 0.5)]
    ['b']
    """
    from scipy.special import bdtrc

    # P(X >= count) = P(X > count - 1)
    p_values = [float(bdtrc(share.count - 1, share.units, chance)) if share.count else 1.0 for share in shares]
    return [share for share, is_found in zip(shares, holm(p_values), strict=True) if is_found]


def interval(share: Share, tests: int) -> tuple[float, float]:
    """Return the exact interval of a share, simultaneous for so many layers.

    References:
        Clopper & Pearson 1934, Biometrika 26, 404-413.

    >>> [round(end, 4) for end in interval(Share("a", 5, 10), 1)]
    [0.1871, 0.8129]
    """
    from scipy.special import betaincinv

    tail, k, n = LEVEL / (2 * max(tests, 1)), share.count, share.units
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1.0 - tail)) if k < n else 1.0
    return low, high


def clustered_error(share: float, samples: int) -> float:
    """Return a bound on the standard error of a mean of shares, one a sample.

    The positions of one sample depend on each other in ways that are not known; a number in [0, 1] with mean s has a
    variance of at most s(1 - s), whatever it is a share of.

    >>> clustered_error(0.5, 100)
    0.05
    """
    return math.sqrt(max(share * (1.0 - share), 0.0) / max(samples, 1))
