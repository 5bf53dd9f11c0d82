"""The dual in closed form, for functions made of polynomials, exponentials, waves, steps and normal distributions."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.cells import Cells, Form
from propstats.expectation.dual.law import Law, Values, is_nothing
from propstats.expectation.dual.stein import Moments
from propstats.expectation.dual.stepped import is_stepped, stepped_moments

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)
#: What underflows is nothing to this.
_TINY = float(np.finfo(float).tiny)
#: How many ulp of the result its last sums and products may lose, besides one of all its terms on the way there; both
#: together were never seen to lose more than 0.6 of that.
_LAST_ULPS = 2.0


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
    return value, (_EPS * (size + _LAST_ULPS * np.abs(value)) + _TINY if errors else size)


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
    first, second, twins = left, right.turned, left is right
    law, scale, exponents = _tilted(first, second, rho, twins=twins)
    if sizes:
        law, scale = _sized(law, first, second), np.abs(scale) * (1 + sum(map(np.abs, exponents)))
    elif is_stepped(first) and is_stepped(second):
        return np.asarray((stepped_moments(left, right, law, rho) * scale).sum(axis=(0, 1)))
    moments = Moments(law)
    total: Values = 0.0
    for p, by_u in first.powers:
        for q, by_v in second.powers:
            if twins and p > q:
                continue  # the same as with p and q exchanged
            weight = by_u * by_v * (2.0 if twins and p < q else 1.0)
            total = total + (np.abs(weight) if sizes else weight) * moments(p, q)
    terms = np.asarray(total * scale)
    shape = (left.count, right.count, rho.size)
    if left.count * right.count > 1:
        terms = (terms if terms.shape == shape else np.broadcast_to(terms, shape)).sum(axis=(0, 1))
    real = np.real(terms)
    return real if real.shape == rho.shape else np.broadcast_to(real, rho.shape)


def _tilted(first: Cells, second: Cells, rho: Array, *, twins: bool) -> tuple[Law, Values, tuple[Values, ...]]:
    """Return the law that is left of u and v with the exponentials, their mean, and what its exponent is made of.

    `exp(quadratic z^2/2)` leaves a Gaussian with another covariance, `exp(linear z)` one with another mean.
    """
    gap = (1.0 - rho) * (1.0 + rho)
    gates = first.gate, second.gate, twins
    if first.is_flat and second.is_flat:
        return Law(-first.centre, -second.centre, 1.0, rho, 1.0, gap, *gates), 1.0, ()
    one, two, constant = first.linear, second.linear, first.log + second.log
    b, c = -first.quadratic, -second.quadratic
    if is_nothing(b) and is_nothing(c):
        shift_u, shift_v = one + rho * two, rho * one + two
        # (one^2 + 2 rho one two + two^2)/2, without cancellation where the correlation is nearly perfect.
        side = np.copysign(1.0, rho)
        exponents = (one + side * two) ** 2 / 2, (np.abs(rho) - 1.0) * side * (one * two), constant
        law = Law(shift_u - first.centre, shift_v - second.centre, 1.0, rho, 1.0, gap, *gates)
        return law, np.exp(sum(exponents)), (*exponents, one * shift_u, two * shift_v)
    norm = 1 + b + c + b * c * gap  # (1 + b)(1 + c) - rho^2 b c
    var_u, var_v, cov = (1 + c * gap) / norm, (1 + b * gap) / norm, rho / norm
    shift_u, shift_v = var_u * one + cov * two, cov * one + var_v * two
    law = Law(shift_u - first.centre, shift_v - second.centre, var_u, cov, var_v, gap / norm, *gates)
    exponents = one * shift_u, two * shift_v, constant
    scale = np.exp((one * shift_u + two * shift_v) / 2 + constant) / np.sqrt(norm)
    return law, np.where((norm > 0) & (var_u > 0), scale, np.nan), exponents  # NaN: the integral diverges


def _sized(law: Law, first: Cells, second: Cells) -> Law:
    one, two, cov = np.abs(first.linear), np.abs(second.linear), np.abs(law.cov)
    size_u = np.abs(first.centre) + law.var_u * one + cov * two
    size_v = np.abs(second.centre) + cov * one + law.var_v * two
    return replace(law, sizes=(size_u, size_v))
