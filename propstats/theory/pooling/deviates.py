"""The largest of n negatively correlated Gaussians, rectified, by way of its distance from their mean.

Equally correlated inputs are `m + s (sqrt(1 - rho) (e_i - mean(e)) + c g)` with `c^2 = (1 + (n - 1) rho)/n` and all e
and g independent N(0, 1): c is real for every rho that a covariance allows, where the square root of rho is not.
So the largest input is Gaussian given `D = max(e) - mean(e)`, and moments are integrals over the density of D.

References:
    Grubbs 1950, Annals of Mathematical Statistics 21(1), 27-58, the recursion for the largest deviate.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.polynomial import legendre

from propstats.errors import DomainError
from propstats.expectation.quadrature.panels import COARSE, FINE, breakpoints
from propstats.expectation.quadrature.rule import Array, gauss_legendre
from propstats.expectation.rounding import Rounded
from propstats.theory.pooling.inputs import PoolInput

#: The density of D is below 1e-20 beyond, for all n up to the limit.
_END = 10.0
#: The recursion is n deep.
LARGEST_WINDOW = 100
#: Panels for the distribution function, which is u^(n - 1) near 0: each is wider than the one before by this, so that
#: what is tiny keeps its relative accuracy, as a recursion that multiplies by n needs.
_GROWTH, _PANELS = 1.25, 48
_EDGES = np.concatenate([[0.0], _END * _GROWTH ** np.arange(1.0 - _PANELS, 1.0)])
_EPS = float(np.finfo(float).eps)


def rectified_maximum(inputs: int, given: PoolInput) -> Mapping[str, Rounded]:
    """Return `y = E[max(0, x_1, ..., x_n)]`, `yy`, its second moment, and `dark`, how likely no x is positive.

    Args:
        inputs: n, at least 2.
        given: The law of the inputs; its deviation is positive and its correlation below 1.

    Raises:
        DomainError: If there are too many inputs.

    >>> found = rectified_maximum(2, PoolInput(correlation=-1.0, rectified=True))  # max(0, z, -z) = |z|
    >>> round(found["y"].value, 14), round(found["yy"].value, 14), found["dark"].value
    (0.79788456080287, 1.0, 0.0)
    """
    if inputs > LARGEST_WINDOW:
        raise DomainError(
            f"negatively correlated rectified inputs of windows up to {LARGEST_WINDOW} are known, not of {inputs}",
            "use a correlation of 0 or more",
        )
    from scipy.special import ndtr

    slope = given.std * math.sqrt(1.0 - given.correlation)
    spread = given.std * math.sqrt(max(0.0, float(1 + (inputs - 1) * given.exact_correlation(inputs)) / inputs))
    turn = -given.mean / slope

    def moments(u: Array) -> Array:
        """Return the moments of the positive part of N(mean + slope u, spread^2)."""
        middle = given.mean + slope * u
        if spread == 0.0:
            positive = np.maximum(middle, 0.0)
            return np.stack([positive, positive**2, (middle <= 0.0).astype(float)])
        z = middle / spread
        below, density = ndtr(z), np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        return np.stack(
            [middle * below + spread * density, (middle**2 + spread**2) * below + middle * spread * density, ndtr(-z)]
        )

    edges = breakpoints(0.0, 1.0, (turn,), ((turn, spread / slope),) if spread else ())
    edges = np.concatenate([[0.0], edges[(edges > 0.0) & (edges < _END)], [_END]])
    best = _integral(moments, edges, inputs, FINE, FINE)
    others = [_integral(moments, edges, inputs, *check) for check in ((COARSE, FINE), (FINE, COARSE))]
    size = np.array([given.std + abs(given.mean), given.std**2 + given.mean**2, 1.0])
    errors = sum(abs(best - other) for other in others) + 8 * inputs * _EPS * size
    return {name: Rounded(float(v), float(e)) for name, v, e in zip(("y", "yy", "dark"), best, errors, strict=True)}


def _integral(f: Callable[[Array], Array], edges: Array, inputs: int, nodes: int, order: int) -> Array:
    places, weights = gauss_legendre(nodes)
    width = np.diff(edges)[:, None]
    u = edges[:-1, None] + width * places
    return np.asarray((f(u) * density(inputs, u, order) * width * weights).sum(axis=(1, 2)))


def density(inputs: int, u: Array, order: int = FINE) -> Array:
    """Return the density of `max(e) - mean(e)` of n independent N(0, 1) at u >= 0.

    `f_n(u) = n/sqrt(2 pi) sqrt(n/(n - 1)) exp(-n u^2/(2 (n - 1))) F_{n-1}(n u/(n - 1))`, Grubbs 1950.

    Args:
        inputs: n, at least 2.
        u: Where.
        order: How many nodes the panels have on which F is kept.

    >>> float(density(2, np.array(0.5)).round(12)) == round(2 / math.sqrt(math.pi) * math.exp(-0.25), 12)
    True
    """
    ratio = inputs / (inputs - 1)
    scale = inputs * math.sqrt(ratio / (2 * math.pi))
    return np.asarray(scale * np.exp(-0.5 * ratio * u * u) * _distribution(inputs - 1, ratio * u, order))


def _distribution(inputs: int, u: Array, order: int) -> Array:
    """Return the distribution function of D for n inputs."""
    if inputs == 1:
        return np.ones_like(u)
    coefficients = _coefficients(inputs, order)
    inside = np.minimum(u, _END)
    panel = np.clip(np.searchsorted(_EDGES, inside) - 1, 0, _PANELS - 1)
    place = 2 * (inside - _EDGES[panel]) / np.diff(_EDGES)[panel] - 1
    return np.asarray(legendre.legval(place, coefficients[:, panel], tensor=False), dtype=float)


@cache
def _coefficients(inputs: int, order: int) -> Array:
    """Return the distribution function of D as a Legendre series on each panel; shape (order + 1, panels)."""
    nodes, weights = gauss_legendre(order)
    width = np.diff(_EDGES)
    slopes = density(inputs, _EDGES[:-1, None] + width[:, None] * nodes, order) * width[:, None]
    basis = legendre.legvander(2 * nodes - 1, order - 1) * (2 * np.arange(order) + 1)
    rise = legendre.legint((slopes * weights) @ basis, lbnd=-1, axis=1) / 2
    before = np.concatenate([[0.0], np.cumsum((slopes * weights).sum(axis=1))[:-1]])
    rise[:, 0] += before
    return np.asarray(rise.T)
