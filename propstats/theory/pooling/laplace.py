"""Moments of roots of sums of powers, by way of the Laplace transform of the sum.

With `S = x_1^p + ... + x_n^p` and `S^-c = 1/Gamma(c) int_0^inf t^(c-1) exp(-t S) dt`, and x independent given what they
have in common, `E[S^(j/p)] = E[S^2 S^-(2 - j/p)]` and `E[x_1^(2p-2) S^-(2-2/p)]` are integrals over t of products of
expectations of single inputs. In `v = log t` and `w = log x` all of them are analytic and decay: the trapezoidal rule
converges exponentially.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from propstats.expectation.quadrature.rule import Array
from propstats.expectation.rounding import Rounded

#: exp(-37) is below the rounding of 1.
_DECADES = 37.0
#: Steps in v, and in w and g as far as the powers and the densities allow, and how much longer those of the check are.
_STEP_V, _STEP_W, _STEP_G, _LONGER = 0.2, 0.2, 0.25, 1.25
#: More nodes than this are not taken; the error then says so.
_MOST_W, _MOST_G = 8_000, 800
#: How far what the inputs have in common is followed: N(0, 1) is beyond with a probability of 2e-19.
_REACH = 9.0
#: How many values of t are worked on at a time.
_ROWS = 64
#: The logarithm of an input that counts as small beside its density, and that of t x^p where exp(-t x^p) is 0.
_SMALL, _ZERO = -3.0, 4.0
_EPS = float(np.finfo(float).eps)


def power_sums(
    inputs: int, power: float, shift: float, correlation: float, *, rectified: bool
) -> Mapping[str, Rounded]:
    """Return `root = E[S^(1/p)]`, `square = E[S^(2/p)]` and `share = E[x_1^(2p-2) S^-(2-2/p)]`, the squared slope.

    Args:
        inputs: n, at least 2.
        power: p, above 1; an even number unless the inputs are rectified.
        shift: Mean of the Gaussians, whose variance is 1.
        correlation: Their correlation, at least 0 and below 1.
        rectified: Whether the inputs are the positive parts of the Gaussians.

    >>> found = power_sums(2, 2, 0.0, 0.0, rectified=False)  # the length of two: sqrt(pi/2), 2, 1/2
    >>> {name: round(number.value, 12) for name, number in found.items()}
    {'root': 1.253314137316, 'square': 2.0, 'share': 0.5}
    """
    reach = _REACH + max(0.0, -shift) if rectified else _REACH  # where rare inputs are positive
    best, check = (
        _power_sums(inputs, power, shift, correlation, rectified, reach, longer) for longer in (1.0, _LONGER)
    )
    # What is rounded, and what lies beyond the reach of the common part.
    largest = inputs * (abs(shift) + reach)
    beyond = math.exp(-0.5 * reach * reach) * np.array([largest, largest**2, 1.0])
    errors = abs(best - check) + 64 * _EPS * best + (beyond if correlation else 0.0)
    return {
        name: Rounded(float(v), float(e)) for name, v, e in zip(("root", "square", "share"), best, errors, strict=True)
    }


def _power_sums(
    n: int, p: float, shift: float, correlation: float, rectified: bool, reach: float, longer: float
) -> Array:
    from scipy.special import ndtr

    spread, common = math.sqrt(1.0 - correlation), math.sqrt(correlation)
    g, weight = _common(common, spread, longer, reach)
    means = shift + common * g
    w_step = longer * min(_STEP_W / p, _STEP_W * spread / (abs(shift) + 4.0))
    end = math.log(abs(shift) + 10.0)
    low = end - min((end + 40.0 + _DECADES) / w_step, _MOST_W) * w_step
    w = _grid(low, end, w_step)
    x = np.exp(w)
    density = np.exp(-0.5 * ((x[:, None] - means) / spread) ** 2)
    if not rectified:
        density += np.exp(-0.5 * ((x[:, None] + means) / spread) ** 2)
    density *= (x * w_step / (spread * math.sqrt(2 * math.pi)))[:, None]
    dark = ndtr(-means / spread) if rectified else np.zeros_like(means)
    slope = 2.0 - 2.0 / p
    begin = -math.log(n) - p * math.log(abs(shift) + 6.0) - _DECADES / slope
    v = _grid(begin, 40.0 * p, longer * _STEP_V)
    lower = np.concatenate([np.zeros((1, means.size)), np.cumsum(density, axis=0)])
    total = np.zeros(3)
    for rows in np.array_split(v, math.ceil(v.size / _ROWS)):
        # Far down `exp(-t x^p)` is 1 and powers of it add nothing, far up it is 0.
        a, b = np.searchsorted(w, [(min(_SMALL * p, -rows[-1]) - _DECADES) / p, (_ZERO - rows[0]) / p])
        u = rows[:, None] + p * w[a:b]
        with np.errstate(over="ignore", under="ignore"):
            below = -np.exp(u)
            kept, first, second, share = (np.exp(k * u + below) @ density[a:b] for k in (0.0, 1.0, 2.0, slope))
            kept = kept + (dark + lower[a])
            square = n * second * kept ** (n - 1) + n * (n - 1) * first**2 * kept ** (n - 2)
            total[0] += (np.exp(-rows / p) @ square) @ weight
            total[1] += (np.exp(-2 * rows / p) @ square) @ weight
            total[2] += (share * kept ** (n - 1)).sum(axis=0) @ weight
    gammas = np.array([math.gamma(2.0 - 1.0 / p), math.gamma(slope), math.gamma(slope)])
    return np.asarray(total * (longer * _STEP_V) / gammas)


def _common(common: float, spread: float, longer: float, reach: float) -> tuple[Array, Array]:
    """Return nodes and weights for what the inputs have in common, N(0, 1), up to some value."""
    if common == 0.0:
        return np.zeros(1), np.ones(1)
    step = longer * max(min(_STEP_G, _STEP_G * spread / common), (_REACH + reach) / _MOST_G)
    g = _grid(-_REACH, reach, step)
    return g, np.exp(-0.5 * g * g) * (step / math.sqrt(2 * math.pi))


def length(inputs: int, shift: float, correlation: float) -> Rounded:
    """Return the mean length `E[sqrt(x_1^2 + ... + x_n^2)]` of equally correlated N(shift, 1), for any correlation.

    The covariance has the eigenvalues `a = 1 + (n - 1) rho` and, n - 1 times, `b = 1 - rho`:
    `E[exp(-t S)] = (1 + 2 b t)^(-(n-1)/2) (1 + 2 a t)^(-1/2) exp(-n shift^2 t/(1 + 2 a t))`.

    >>> round(length(3, 0.0, 0.0).value, 12)  # 2 sqrt(2/pi)
    1.595769121606
    """
    n, size = inputs, inputs * shift**2
    a, b = max(0.0, 1.0 + (n - 1) * correlation), 1.0 - correlation
    end = _DECADES + math.log(1.0 + 1.0 / max(n - 1, 1)) + 10.0

    def slope(v: Array) -> Array:
        """Return `sqrt(t) E[S exp(-t S)]`, the integrand in v."""
        t = np.exp(v)
        wide, narrow = 1.0 + 2.0 * a * t, 1.0 + 2.0 * b * t
        log = -(n - 1) / 2 * np.log(narrow) - 0.5 * np.log(wide) - size * t / wide
        return np.asarray(np.exp(log + v / 2) * ((n - 1) * b / narrow + a / wide + size / wide**2))

    return _trapezoid(slope, -2 * _DECADES - math.log(n + size), end)


def _grid(low: float, high: float, step: float) -> Array:
    """Return the multiples of a step between two numbers: `np.arange` of floats rounds the step itself."""
    return np.asarray(step * np.arange(math.ceil(low / step), math.floor(high / step) + 1), dtype=float)


def _trapezoid(f: Callable[[Array], Array], low: float, high: float) -> Rounded:
    best, check = (
        float(f(_grid(low, high, step)).sum()) * step / math.sqrt(math.pi)
        for step in (_STEP_V / 2, _LONGER * _STEP_V / 2)
    )
    return Rounded(best, abs(best - check) + 64 * _EPS * abs(best))
