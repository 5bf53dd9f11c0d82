"""The difference of two means over networks, by Welch's t: how sure it is, and how likely none is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.experiments.keeping import mean_over_networks


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two means with its standard error.

    Args:
        value: The difference.
        error: Its standard error; 0 if neither group has any spread, and infinite if one has less than two members.
        freedom: The degrees of freedom of an error between, by Welch and Satterthwaite; else NaN.
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
    means = mean_over_networks(one), mean_over_networks(other)
    value, error = means[0].value - means[1].value, math.hypot(*(mean.error for mean in means))
    if error == 0.0 or math.isinf(error):
        return Difference(value, error, math.nan)
    groups = zip(means, (one, other), strict=True)
    shares = sum((mean.error / error) ** 4 / (len(group) - 1) for mean, group in groups)
    return Difference(value, error, 1.0 / shares)
