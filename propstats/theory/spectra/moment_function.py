"""The moment function `M(zeta) = E[d/(zeta - d)]` of a law of squared slopes d, and its inverse."""

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import SlopeLaw

Array = NDArray[np.float64]

_ATOMS = 400


def thinned(law: SlopeLaw) -> SlopeLaw:
    """Merge neighbouring atoms into at most some hundreds, each at its mean: enough for a curve."""
    if law.values.size <= _ATOMS:
        return law
    edges = np.linspace(0, 1, _ATOMS + 1)[1:-1]
    group = np.searchsorted(edges * law.values[-1], law.values)
    weights = np.asarray(np.bincount(group, law.weights, _ATOMS), dtype=float)
    values = np.bincount(group, law.weights * law.values, _ATOMS)
    keep = weights > 0
    return SlopeLaw(values[keep] / weights[keep], weights[keep])


def same_law(a: SlopeLaw, b: SlopeLaw) -> bool:
    """Return whether two laws differ by rounding at most."""
    return a.values.size == b.values.size and bool(
        np.allclose(a.values, b.values, rtol=1e-12, atol=0) and np.allclose(a.weights, b.weights, rtol=0, atol=1e-12)
    )


def inverse(law: SlopeLaw, t: Array) -> Array:
    """Solve `M(zeta) = t` for zeta above the support, at real t > 0, by bisection in log(zeta - max)."""
    top = law.values[-1]
    low = np.log(1e-14 * top) * np.ones_like(t)
    high = np.log(law.moment(1) / t) + 1e-9
    low = np.minimum(low, high - 1)
    for _ in range(80):
        middle = (low + high) / 2
        zeta = top + np.exp(middle)
        moment = (law.weights * law.values / (zeta[:, None] - law.values)).sum(axis=1)
        above = moment > t
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(top + np.exp((low + high) / 2))


def inverse_nearby(law: SlopeLaw, zeta: complex, t: complex) -> complex:
    """Solve the same for complex t by Newton's method, from a nearby solution."""
    for _ in range(40):
        gap = complex((law.weights * law.values / (zeta - law.values)).sum()) - t
        move = gap / slope(law, zeta)
        # Between atoms the slope can be nearly 0, and a full step would leave for infinity.
        zeta -= move * min(1.0, 0.5 * abs(zeta) / abs(move)) if move else 0.0
        if abs(move) < 1e-13 * abs(zeta):
            break
    return zeta


def slope(law: SlopeLaw, zeta: complex) -> complex:
    """Return `M'(zeta)`."""
    return -complex((law.weights * law.values / (zeta - law.values) ** 2).sum())
