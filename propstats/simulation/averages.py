"""Averages over independent draws, or inputs, with their standard errors."""

import math

import numpy as np
from numpy.typing import NDArray

from propstats.estimate import Estimate, Route

Array = NDArray[np.float64]


def mean_of(draws: Array, route: Route = Route.SAMPLING) -> Estimate:
    """Return the mean with its standard error, which a single draw does not have."""
    error = float(draws.std(ddof=1)) / math.sqrt(draws.size) if draws.size > 1 else math.inf
    return Estimate(float(draws.mean()), error, route, draws.size)


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
    return Estimate(ratio - 1.0, mean_of(influence).error, route, square.size)
