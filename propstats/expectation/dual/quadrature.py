"""The dual by quadrature: a power series in the correlation, and two nested integrals where it converges too slowly."""

import math

import numpy as np

from propstats.expectation.dual.nearby import ALLOWED, strongly_correlated
from propstats.expectation.dual.panels import Array
from propstats.expectation.dual.resolved import Resolved

_EPS = float(np.finfo(float).eps)
#: The rounding of a series, in ulp: powers of the correlation are products of ten at most.
_ROUNDINGS = 12


def mehler(f: Array, g: Array, rho: Array) -> Array:
    """Return `E[f(u) g(v)] = sum_n f_n g_n rho^n` from the Hermite coefficients of both, some power of 4 of them.

    Args:
        f: Coefficients of the first function in orthonormal Hermite polynomials.
        g: Those of the second function, as many.
        rho: Correlations, shape (n).

    References:
        Mehler 1866; O'Donnell 2014, "Analysis of Boolean Functions", Proposition 11.33.

    >>> cube = np.array([0.0, 3.0, 0.0, math.sqrt(6)] + [0.0] * 12)
    >>> float(mehler(cube, cube, np.array([0.5]))[0].round(12))  # 9 rho + 6 rho^3
    5.25
    """
    block = math.isqrt(f.size)
    with np.errstate(all="ignore"):
        sums = _powers(rho, block) @ (f * g).reshape(block, block).T
        return np.asarray((sums * _powers(rho**block, block)).sum(axis=1))


def _powers(rho: Array, count: int) -> Array:
    """Return the powers below a power of 2, by a few multiplications each: rounding does not add up."""
    found = np.ones((rho.size, count))
    size = 1
    while size < count:
        np.multiply(found[:, :size], (rho**size)[:, None], out=found[:, size : 2 * size])
        size *= 2
    return found


def quadrature_dual(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)]` for standard normal u and v, and a bound on what was left out and on rounding.

    A series of N terms leaves out at most `|rho|^N` times the root of what both leave out at rho = 1, by
    Cauchy-Schwarz. The bound does not cover the rules themselves: that takes a second pair of functions with more
    nodes. All that is known of the dual of functions too rough to be resolved is that it is no larger than the root
    of `E[f^2] E[g^2]`; if the latter do not exist, the values are NaN.

    Args:
        f: The first function.
        g: The second function.
        rho: Correlations, shape (n).

    >>> from propstats.expectation.dual.resolved import resolve
    >>> relu = resolve(lambda z: np.maximum(z, 0.0), np.zeros(1))
    >>> quadrature_dual(relu, relu, np.array([0.5, 1.0]))[0].round(12).tolist()  # Cho & Saul 2009
    [0.304498890522, 0.5]
    """
    if not math.isfinite(f.norm * g.norm):
        return np.full(rho.shape, np.nan), np.full(rho.shape, np.inf)
    if f.is_rough or g.is_rough:
        value, _ = _first_terms(f, g, rho)
        return value, np.full(rho.shape, 2 * f.norm * g.norm)
    value, left_out = np.empty(rho.shape), np.full(rho.shape, np.inf)
    slow = np.ones(rho.shape, dtype=bool)
    for series in (_first_terms, _more_terms):
        value[slow], left_out[slow] = series(f, g, rho[slow])
        slow = left_out > ALLOWED * f.norm * g.norm
        if not slow.any():
            break
    for here, sign in ((slow & (rho >= 0), 1), (slow & (rho < 0), -1)):
        if here.any():
            other = g if sign > 0 else g.mirrored
            value[here], left_out[here] = strongly_correlated(f, other, np.abs(rho[here]))
    rounding = f.noise * g.norm + f.norm * g.noise + _ROUNDINGS * _EPS * f.norm * g.norm
    return value, left_out + rounding


def _first_terms(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    return _series(f, g, f.hermite, g.hermite, rho)


def _more_terms(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    return _series(f, g, f.many_hermite, g.many_hermite, rho)


def _series(f: Resolved, g: Resolved, left: Array, right: Array, rho: Array) -> tuple[Array, Array]:
    return mehler(left, right, rho), math.sqrt(f.rest(left) * g.rest(right)) * np.abs(rho) ** left.size
