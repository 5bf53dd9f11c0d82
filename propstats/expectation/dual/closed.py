"""The dual in closed form, for functions made of polynomials, exponentials, waves, steps and normal distributions."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.cells import Cells, Form
from propstats.expectation.dual.law import Law, Values
from propstats.expectation.dual.stein import Moments

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)
#: What underflows is nothing to this.
_TINY = float(np.finfo(float).tiny)
#: How many ulp of all its terms a path through the recurrences may lose; it was never seen to lose more than a third.
_ROUNDINGS = 1.0


def closed_dual(f: Form, g: Form, rho: Array, *, errors: bool = False) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)]` for standard normal u and v, and if asked for bounds on its rounding.

    Args:
        f: The first function.
        g: The second function; if it is the same object, half of the work is saved.
        rho: Correlations, shape (n).
        errors: Whether to bound the rounding, which takes as long again.

    Returns:
        The values, NaN where the integral diverges or overflows, and their errors (0 if not asked for).

    >>> from propstats.activations import activation
    >>> from propstats.expectation.dual.cells import form_of
    >>> from propstats.expectation.dual.reading import terms_of
    >>> gelu = form_of(terms_of(activation("gelu")), 0.0, 1.0)
    >>> value, _ = closed_dual(gelu, gelu, np.array([1.0]))
    >>> round(float(value[0]), 12), round(1 / 3 + 1 / (2 * 3**0.5 * np.pi), 12)  # E[gelu^2]
    (0.42522148257, 0.42522148257)
    """
    series, sizes = _series(f, g)
    with np.errstate(all="ignore"):
        value = _horner(series, rho)
        size = _horner(sizes, np.abs(rho)) if errors else np.zeros(rho.shape)
        for i, first in enumerate(f.cells):
            for second in f.cells[i:] if f is g else g.cells:
                both = 2.0 if f is g and second is not first else 1.0
                value += both * _pair(first, second, rho, sizes=False)
                if errors:
                    size += both * _pair(first, second, rho, sizes=True)
    value[~np.isfinite(value)] = np.nan
    return value, _ROUNDINGS * _EPS * size + (_TINY if errors else 0.0)


def _horner(coefficients: Array, rho: Array) -> Array:
    value = np.zeros(rho.shape)
    for c in coefficients[::-1]:
        value *= rho
        value += c
    return value


@lru_cache(maxsize=256)
def _series(f: Form, g: Form) -> tuple[Array, Array]:
    """Return what the polynomial parts contribute, a polynomial in rho by Mehler's formula, and its sizes.

    With `f = p + r` and `g = q + s` that is `sum_n (p_n q_n + p_n s_n + r_n q_n) rho^n`.
    """
    count = max(f.polynomial.size, g.polynomial.size)
    (p, sizes_p), (q, sizes_q) = (_hermite(_polynomial(h.polynomial), count) for h in (f, g))
    (r, sizes_r), (s, sizes_s) = (_hermite(h.cells, count) for h in (f, g))
    return p * (q + s) + r * q, sizes_p * (sizes_q + sizes_s) + sizes_r * sizes_q


def _polynomial(coefficients: Array) -> tuple[Cells, ...]:
    powers = tuple((n, float(c)) for n, c in enumerate(coefficients) if c)
    return (Cells(1, 0.0, 0.0, 0.0, 0.0, None, powers),)


def _hermite(cells: tuple[Cells, ...], count: int) -> tuple[Array, Array]:
    """Return the first coefficients in orthonormal Hermite polynomials, and their sizes."""
    from numpy.polynomial.hermite_e import herme2poly

    found, one, norm = np.zeros((2, count)), np.ones(1), 1.0
    with np.errstate(all="ignore"):
        for n in range(count):
            norm *= np.sqrt(max(n, 1))
            (hermite,) = _polynomial(herme2poly([0.0] * n + [1.0]) / norm)
            for group in cells:
                found[:, n] += [_pair(group, hermite, one, sizes=sizes)[0] for sizes in (False, True)]
    return found[0], found[1]


def _pair(left: Cells, right: Cells, rho: Array, *, sizes: bool) -> Array:
    """Return the sum over all pairs of terms, of the moments or of the sizes behind them."""
    first, second = left, right.turned
    gap = (1.0 - rho) * (1.0 + rho)
    var_u: Values = 1.0
    var_v: Values = 1.0
    scale: Values = 1.0
    cov, det = rho, gap
    shift_u: Values = 0.0
    shift_v: Values = 0.0
    logs: Values = 0.0
    if not (first.is_flat and second.is_flat):
        # exp(quadratic z^2/2) leaves a Gaussian with another covariance, exp(linear z) one with another mean.
        b, c = -first.quadratic, -second.quadratic
        if np.any(b) or np.any(c):
            norm = 1 + b + c + b * c * gap  # (1 + b)(1 + c) - rho^2 b c
            var_u, var_v, cov, det = (1 + c * gap) / norm, (1 + b * gap) / norm, rho / norm, gap / norm
            scale = np.where((norm > 0) & (var_u > 0), 1 / np.sqrt(norm), np.nan)  # NaN: the integral diverges
        one, two = first.linear, second.linear
        shift_u, shift_v = var_u * one + cov * two, cov * one + var_v * two
        if isinstance(var_u, float):
            # (one^2 + 2 rho one two + two^2)/2, without cancellation where the correlation is nearly perfect.
            side = np.copysign(1.0, rho)
            parts = (one + side * two) ** 2 / 2, -side * (1.0 - np.abs(rho)) * (one * two)
        else:
            parts = one * shift_u / 2, two * shift_v / 2
        constant = first.log + second.log
        scale = scale * np.exp(parts[0] + parts[1] + constant)
        logs = np.abs(parts[0]) + np.abs(parts[1]) + np.abs(one * shift_u) + np.abs(two * shift_v) + np.abs(constant)
    mean_u, mean_v = shift_u - first.centre, shift_v - second.centre
    law = Law(mean_u, mean_v, var_u, cov, var_v, det, first.gate, second.gate, left is right)
    if sizes:
        law = _sized(law, first, second)
        scale = np.abs(scale) * (1 + logs)
    moments = Moments(law)
    total: Values = 0.0
    for p, by_u in first.powers:
        for q, by_v in second.powers:
            if left is right and p > q:
                continue  # the same as with p and q exchanged
            weight = by_u * by_v * (2.0 if left is right and p < q else 1.0)
            total = total + (np.abs(weight) if sizes else weight) * moments(p, q)
    terms = np.asarray(total * scale)
    shape = (left.count, right.count, rho.size)
    if left.count * right.count > 1:
        terms = (terms if terms.shape == shape else np.broadcast_to(terms, shape)).sum(axis=(0, 1))
    return terms.real if terms.shape == rho.shape else np.broadcast_to(terms.real, rho.shape)


def _sized(law: Law, first: Cells, second: Cells) -> Law:
    one, two, cov = np.abs(first.linear), np.abs(second.linear), np.abs(law.cov)
    size_u = np.abs(first.centre) + law.var_u * one + cov * two
    size_v = np.abs(second.centre) + cov * one + law.var_v * two
    return replace(law, sizes=(size_u, size_v))
