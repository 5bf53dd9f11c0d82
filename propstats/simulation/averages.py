"""Averages over independent draws, or inputs, with their standard errors."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from propstats.estimate import Estimate, Route

Array = NDArray[np.float64]


def mean_of(draws: Array, route: Route = Route.SAMPLING) -> Estimate:
    """Return the mean with its standard error, which a single draw does not have."""
    error = float(draws.std(ddof=1)) / math.sqrt(draws.size) if draws.size > 1 else math.inf
    return Estimate(float(draws.mean()), error, route, draws.size)


def mean_of_counts(counts: NDArray[np.int64], size: int, route: Route = Route.SAMPLING) -> Estimate:
    """Return the mean share of whole numbers among `size`.

    A few counts are easily all alike, which is no proof that all others are: to their variance is added 1/12, that of
    what rounding to whole numbers hides.

    >>> found = mean_of_counts(np.array([7, 7, 7]), 16)
    >>> found.value, round(16 * found.error, 12)  # one over six
    (0.4375, 0.166666666667)
    """
    mean = mean_of(counts / size, route)
    return replace(mean, error=math.hypot(mean.error, 1.0 / (size * math.sqrt(12 * counts.size))))


def normalised_variance_of(square: Array, fourth: Array, route: Route = Route.SAMPLING) -> Estimate:
    """Return `E[s^4]/E[s^2]^2 - 1` from each draw's mean squares and fourth powers, with its standard error.

    >>> normalised_variance_of(np.array([1.0, 3.0]), np.array([2.0, 14.0])).value
    1.0
    """
    mean = float(square.mean())
    if mean == 0.0:  # networks that are all dead have no ratio to speak of
        return Estimate(math.nan, math.nan, route, square.size)
    ratio = float(fourth.mean()) / mean**2
    # The ratio of two means, to first order: its standard error is that of this average.
    influence = fourth / mean**2 - 2 * ratio * square / mean
    # To second order the ratio is off, one way and always, by about what the mean's own error makes of 1/mean^2.
    bend = 3 * ratio * (mean_of(square).error / mean) ** 2
    return Estimate(ratio - 1.0, math.hypot(mean_of(influence).error, bend), route, square.size)
