"""The dual near perfect correlation, where its power series is slow: integrals, or a table of them for many at once.

In `s = sqrt(1 - |rho|)` the dual of functions that are smooth but for kinks and jumps is a power series up to s = 0, so
that polynomials on a few panels follow it; they are found once for each pair of functions.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from propstats.expectation.dual.panels import MORE_TERMS, Array, rule, to_legendre
from propstats.expectation.dual.resolved import Resolved
from propstats.expectation.dual.rotated import rotated

_EPS = float(np.finfo(float).eps)
#: What the series may leave out, relative to the root of `E[f^2] E[g^2]`.
ALLOWED = 16 * _EPS
#: The largest s at which it can leave out more.
_WIDEST = math.sqrt(1.0 - ALLOWED ** (1.0 / MORE_TERMS))
#: Up to how many correlations are integrated one by one: a table takes some dozen.
_FEW = 6
_NODES = 16
#: The last two Legendre coefficients of a resolved panel, relative to the same root.
_RESOLVED = 4e-15
_MAX_PANELS = 64


@dataclass(frozen=True, eq=False)
class _Table:
    """The dual as a function of s: ends of panels, Legendre coefficients on each, and how small the last ones are."""

    edges: Array
    coefficients: Array
    last: Array

    def __call__(self, s: Array) -> tuple[Array, Array]:
        from numpy.polynomial.legendre import legvander

        panel = np.clip(np.searchsorted(self.edges, s, side="right") - 1, 0, self.last.size - 1)
        left, right = self.edges[panel], self.edges[panel + 1]
        basis = legvander(2 * (s - left) / (right - left) - 1, _NODES - 1)
        return np.asarray((basis * self.coefficients[panel]).sum(axis=1)), self.last[panel]


def strongly_correlated(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)]` for standard normal u and v, and how far polynomials may be from it.

    Args:
        f: The first function.
        g: The second function.
        rho: Correlations that are too close to 1 for the series.

    >>> from propstats.expectation.dual.resolved import resolve
    >>> relu, rho = resolve(lambda z: np.maximum(z, 0.0), np.zeros(1)), np.linspace(0.97, 1.0, 31)
    >>> exact = (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / (2 * np.pi)  # Cho & Saul 2009
    >>> value, error = strongly_correlated(relu, relu, rho)
    >>> bool(np.all(abs(value - exact) < 2e-15)), bool(error.max() < 2e-15)
    (True, True)
    """
    if rho.size <= _FEW:
        return _integrals(f, g, np.sqrt(1.0 - rho)), np.zeros(rho.shape)
    return _table(f, g)(np.sqrt(1.0 - rho))


def _integrals(f: Resolved, g: Resolved, s: Array) -> Array:
    return rotated(f, g, np.sqrt((1.0 - s) * (1.0 + s)), s, nodes=f.nodes - 4)


@lru_cache(maxsize=64)
def _table(f: Resolved, g: Resolved) -> _Table:
    allowed = _RESOLVED * f.norm * g.norm + f.noise * g.norm + f.norm * g.noise
    x, basis = rule(_NODES)[0], to_legendre(_NODES)
    panels: dict[float, tuple[float, Array, float]] = {}
    left, right = np.array([0.0]), np.array([_WIDEST])
    while left.size:
        s = left[:, None] + (right - left)[:, None] * x
        coefficients = _integrals(f, g, s.ravel()).reshape(s.shape) @ basis
        last = np.abs(coefficients[:, -2:]).sum(axis=1)
        poor = (last > allowed) & (len(panels) + left.size < _MAX_PANELS)
        for i in np.flatnonzero(~poor):
            panels[float(left[i])] = float(right[i]), coefficients[i], float(last[i])
        middle = (left + right)[poor] / 2
        left, right = np.concatenate([left[poor], middle]), np.concatenate([middle, right[poor]])
    starts = sorted(panels)
    _, rows, lasts = zip(*(panels[start] for start in starts), strict=True)
    return _Table(np.array([*starts, _WIDEST]), np.array(rows), np.array(lasts))
