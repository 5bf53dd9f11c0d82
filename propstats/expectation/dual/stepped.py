"""Moments of two Gaussians cut off by steps: polynomials in the correlation times four functions of it.

Where both gates are steps, Stein's lemma leaves nothing but the probability that both are open, what there is of it
where u or where v is at its step, and the density where both are. What these are multiplied with are polynomials in the
correlation, found once for each pair of functions: what remains is a product of matrices.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.cells import Cells
from propstats.expectation.dual.law import Law, density_of, given_open, is_nothing, probability_of

Array = NDArray[np.float64]

#: The four functions: the probability; the same given that u is at its step, times the density of u there; with v in
#: place of u; and, at the steps of both, the density of u times that of v given u times the variance of v given u.
_OPEN, _AT_U, _AT_V, _AT_BOTH = range(4)


def is_stepped(cells: Cells) -> bool:
    """Whether all terms are cut off by steps, and have no Gaussians among their factors."""
    return cells.gate is not None and not cells.gate.noise and is_nothing(cells.quadratic)


def stepped_moments(left: Cells, right: Cells, law: Law, rho: Array) -> Array:
    """Return the weighted moments of all pairs of terms; shape (left, right, n).

    Args:
        left: Terms in u.
        right: Terms in v.
        law: The law of u and v less the places of their steps, with the exponentials of the terms taken out.
        rho: Correlations, shape (n).

    References:
        Stein 1981, "Estimation of the mean of a multivariate normal distribution", Lemma 2.

    >>> from propstats.expectation.dual.law import Gate
    >>> above, rho = Gate(1.0, 0.0, 0.0), np.array([0.5])
    >>> relu = Cells(1, 0.0, 0.0, 0.0, 0.0, above, ((1, 1.0),))
    >>> stepped_moments(relu, relu, Law(0.0, 0.0, 1.0, rho, 1.0, 1 - rho**2, above, above), rho).round(12).tolist()
    [[[0.304498890522]]]
    """
    polynomials = _polynomials(left, right)
    powers = np.ones((polynomials.shape[-1], rho.size))
    for n in range(1, len(powers)):
        np.multiply(powers[n - 1], rho, out=powers[n])
    is_open, at_u, at_v, at_both = polynomials @ powers
    given, density = given_open(law).swapped, density_of(law)
    beside = density * probability_of(given)
    if law.twins:
        other = np.asarray(beside).swapaxes(0, 1) if np.ndim(beside) == 3 else beside
    else:
        swapped = law.swapped
        other = density_of(swapped) * probability_of(given_open(swapped))
    corner = density * (density_of(given) * law.det)
    return np.asarray(is_open * probability_of(law) + at_u * beside + at_v * other + at_both * corner)


@lru_cache(maxsize=256)
def _polynomials(left: Cells, right: Cells) -> Array:
    """Return what the four functions are multiplied with, by powers of rho; shape (4, left, right, degree + 1)."""
    first, second = left, right.turned
    assert first.gate is not None
    assert second.gate is not None
    slope_u, slope_v = first.gate.slope, second.gate.slope
    shape = 4, left.count, right.count, 2 * (left.powers[-1][0] + right.powers[-1][0]) + 1

    def unit(kind: int) -> Array:
        found = np.zeros(shape)
        found[kind, ..., 0] = 1.0
        return found

    def by_rho(x: Array) -> Array:
        return np.concatenate([np.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)

    def by_mean_u(x: Array) -> Array:
        return np.asarray((first.linear - first.centre) * x + second.linear * by_rho(x))

    def by_mean_v(x: Array) -> Array:
        return np.asarray((second.linear - second.centre) * x + first.linear * by_rho(x))

    def by_variance(x: Array) -> Array:
        return x - by_rho(by_rho(x))  # of v given u, and of u given v

    @cache
    def given_u(q: int) -> Array:
        """Return `E[v^q; v is open | u is at its step]`, times the density of u there."""
        if q == 0:
            return unit(_AT_U)
        lower = given_u(q - 1)
        found = by_mean_v(lower) - by_rho(by_mean_u(lower))
        return found + (slope_v * unit(_AT_BOTH) if q == 1 else (q - 1) * by_variance(given_u(q - 2)))

    @cache
    def given_v(p: int) -> Array:
        if p == 0:
            return unit(_AT_V)
        lower = given_v(p - 1)
        found = by_mean_u(lower) - by_rho(by_mean_v(lower))
        return found + (slope_u * unit(_AT_BOTH) if p == 1 else (p - 1) * by_variance(given_v(p - 2)))

    @cache
    def moment(p: int, q: int) -> Array:
        """Return `E[u^p v^q; u and v are open]`."""
        if p == q == 0:
            return unit(_OPEN)
        if p:
            found = by_mean_u(moment(p - 1, q))
            found += (p - 1) * moment(p - 2, q) if p > 1 else slope_u * given_u(q)
            return found + (q * by_rho(moment(p - 1, q - 1)) if q else slope_v * by_rho(given_v(p - 1)))
        found = by_mean_v(moment(0, q - 1)) + slope_u * by_rho(given_u(q - 1))
        return found + ((q - 1) * moment(0, q - 2) if q > 1 else slope_v * given_v(0))

    total = np.zeros(shape)
    for p, by_u in first.powers:
        for q, by_v in second.powers:
            total += by_u * by_v * moment(p, q)
    last = np.flatnonzero(total.any(axis=(0, 1, 2)))
    return total[..., : last[-1] + 1] if last.size else total[..., :1]
