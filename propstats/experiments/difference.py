"""The difference of two means over networks, by Welch's t: how sure it is, and how likely none is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Numbers that differ by so many units in the last place are the same, computed in another order.
_ROUNDING = 8 * float(np.finfo(float).eps)


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two means with its standard error.

    Args:
        value: The difference.
        error: Its standard error; 0 if neither group has any spread, and infinite if one has less than two members.
        freedom: The degrees of freedom of the error, by Welch and Satterthwaite.
    """

    value: float
    error: float
    freedom: float

    def interval(self, level: float) -> tuple[float, float]:
        """Return where the difference lies, but for a chance of `1 - level`."""
        from scipy import stats

        if not self._told:
            return self.value - self.error, self.value + self.error
        half = float(stats.t.isf((1 - level) / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    def less(self) -> float | None:
        """Return how likely chance alone puts the first mean so far below the second; None if no spread tells."""
        from scipy import stats

        return float(stats.t.cdf(self.value / self.error, self.freedom)) if self._told else None

    def apart(self) -> float | None:
        """Return how likely chance alone puts the means so far apart, either way; None if no spread tells.

        Where neither group has any spread and the means are the same, that is certain.
        """
        from scipy import stats

        if self.value == self.error == 0.0:
            return 1.0
        return 2.0 * float(stats.t.sf(abs(self.value) / self.error, self.freedom)) if self._told else None

    @property
    def _told(self) -> bool:
        return 0.0 < self.error < math.inf


def difference(one: Sequence[float], other: Sequence[float]) -> Difference:
    """Compare two groups of networks, whose spreads need not be alike.

    Args:
        one: A number for each network of the first group.
        other: The same of the second.

    References:
        Welch 1947, Biometrika 34, 28.

    >>> apart = difference([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    >>> apart.value, round(apart.error, 4), round(apart.freedom, 4)  # (1/3 + 4/3)^2 / ((1/9 + 16/9) / 2)
    (-2.0, 1.291, 2.9412)
    """
    value = float(np.mean(one) - np.mean(other))
    if min(len(one), len(other)) < 2:
        return Difference(value, math.inf, math.nan)
    variances = [_variance(values) / len(values) for values in (one, other)]
    if not any(variances):
        return Difference(value, 0.0, math.inf)
    freedom = sum(variances) ** 2 / sum(
        variance**2 / (len(values) - 1) for variance, values in zip(variances, (one, other), strict=True)
    )
    return Difference(value, math.sqrt(sum(variances)), freedom)


def _variance(values: Sequence[float]) -> float:
    if np.ptp(values) <= _ROUNDING * np.max(np.abs(values)):
        return 0.0
    return float(np.var(values, ddof=1))
