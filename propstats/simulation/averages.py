"""Averages over independent draws, or inputs, with their standard errors."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from propstats.estimate import Estimate, Route

Array = NDArray[np.float64]

#: How rarely the logarithms of draws may vary so much less than they should.
_HIDDEN = 0.01


def mean_of(draws: Array, route: Route = Route.SAMPLING) -> Estimate:
    """Return the mean with its standard error, which a single draw does not have."""
    # About one of them: draws that are all alike have a spread of 0, and not of what their mean is rounded by.
    error = float((draws - draws.flat[0]).std(ddof=1)) / math.sqrt(draws.size) if draws.size > 1 else math.inf
    return Estimate(float(draws.mean()), error, route, draws.size)


def mean_of_counts(counts: NDArray[np.int64], size: int) -> Estimate:
    """Return the mean share of whole numbers among `size`.

    A few counts are easily all alike, which is no proof that all others are: to their variance is added 1/12, that of
    what rounding to whole numbers hides.

    >>> found = mean_of_counts(np.array([7, 7, 7]), 16)
    >>> found.value, round(16 * found.error, 12)  # one over six
    (0.4375, 0.166666666667)
    """
    mean = mean_of(counts / size)
    return replace(mean, error=math.hypot(mean.error, 1.0 / (size * math.sqrt(12 * counts.size))))


def mean_of_products(draws: Array) -> Estimate:
    """Return the mean of numbers that are products over many layers, with a standard error that knows their tail.

    Products of random factors are log-normal, about, and where their logarithm varies by v the rare large ones, of
    relative variance `exp(v) - 1`, make the mean: a few draws have none of them, and a spread that is too small. The
    larger error counts, that of the spread or that of v.

    >>> draws = np.exp(2 * np.sin(np.arange(100)))  # v is 2
    >>> found, plain = mean_of_products(draws), mean_of(draws)
    >>> round(found.error / found.value, 2), round(plain.error / plain.value, 2)
    (0.4, 0.11)
    """
    plain = mean_of(draws)
    return replace(plain, error=max(plain.error, plain.value * _log_normal_error(draws[None], (1.0,))))


def normalised_variance_of(
    square: Array, fourth: Array, route: Route = Route.SAMPLING, *, products: bool = False
) -> Estimate:
    """Return `E[s^4]/E[s^2]^2 - 1` from each draw's mean squares and fourth powers, with its standard error.

    Args:
        square: Mean square of each draw.
        fourth: Mean fourth power of each draw.
        route: How they were found.
        products: Whether draws are products over the layers of random networks, so that the error must know their
            tails (see `mean_of_products`); inputs of one network are not.

    >>> normalised_variance_of(np.array([1.0, 3.0]), np.array([2.0, 14.0])).value
    1.0
    """
    mean = float(square.mean())
    if mean == 0.0:  # networks that are all dead have no ratio to speak of
        return Estimate(math.nan, math.nan, route, square.size)
    ratio = float(fourth.mean()) / mean**2
    # The ratio of two means, to first order: its standard error is that of this average.
    influence = fourth / mean**2 - 2 * ratio * square / mean
    spread, error = mean_of(influence).error, mean_of(square).error
    if products:
        spread = max(spread, ratio * _log_normal_error(np.stack([fourth, square]), (1.0, -2.0)))
        error = mean_of_products(square).error
    # To second order the ratio is off, one way and always, by about what the mean's own error makes of 1/mean^2.
    bend = 3 * ratio * (error / mean) ** 2
    return Estimate(ratio - 1.0, math.hypot(spread, bend), route, square.size)


def _log_normal_error(rows: Array, powers: tuple[float, ...]) -> float:
    """Return the relative standard error of a product of powers of means, of numbers that are jointly log-normal.

    With C the covariance of the logarithms the means have the relative covariance `(exp(C) - 1)/draws`. In what this
    has beyond C, few draws easily make C too small, and the exponential much too small: there C is taken as large as
    only one set of draws in a hundred would hide (its upper limit by the chi-squared law).

    Args:
        rows: Not negative; shape (means, draws). Draws with a 0 have no logarithm, and are left out.
        powers: Of each mean.
    """
    alive = rows[:, (rows > 0).all(axis=0)]
    if alive.shape[1] < 2:
        return 0.0
    from scipy.special import chdtri

    freedom = alive.shape[1] - 1
    covariance = np.atleast_2d(np.cov(np.log(alive)))
    largest = covariance * (freedom / chdtri(freedom, 1.0 - _HIDDEN))
    with np.errstate(over="ignore", invalid="ignore"):
        relative = (covariance + (np.expm1(largest) - largest)) / rows.shape[1]
        variance = float(np.array(powers) @ relative @ np.array(powers))
    # Beyond floats the draws say nothing.
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.inf
