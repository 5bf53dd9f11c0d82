"""Singular values of a deep network's Jacobian at infinite width, by free probability.

`J = prod_l D_l W_l` with `D_l` the slopes of layer l. S-transforms of independent factors multiply, so the moment
function t of `J J^T` and its argument z satisfy (Pennington, Schoenholz & Ganguli 2017, arXiv:1711.04735)

    z(t) = (1 + t)/t * prod_l [ t zeta_l(t) / (1 + t) * w(t) ],     M_{D_l^2}(zeta_l) = t,

with `w(t) = 1 + t` for Gaussian (and, as the width grows, unit-row) weights, and 1 for orthogonal ones.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import SlopeLaw

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

_ATOMS = 400
#: How far above the real axis, relatively, densities are read off: far enough to pass between the branch points at the
#: ends of a gap.
_ABOVE = 1e-10


@dataclass(frozen=True, slots=True)
class Edge:
    """The upper edge of the spectrum of `J J^T`.

    Args:
        value: The largest eigenvalue at infinite width.
        curvature: `A` in the density `(A/pi) sqrt(value - x)` below the edge; infinite where the density does not
            vanish like that (an atom, or orthogonal weights with slopes that reach the edge).
        t: Where the edge is attained; infinite likewise.
    """

    value: float
    curvature: float
    t: float


class FreeProduct:
    """The free product of the layers of a network.

    Args:
        laws: The squared slopes of each layer, scaled so that the weights are standardised.
        orthogonal: Whether the weights are orthogonal rather than Gaussian.
    """

    def __init__(self, laws: list[SlopeLaw], *, orthogonal: bool) -> None:
        # Layers with the same law share its inversion.
        self.orthogonal = orthogonal
        self.depth = len(laws)
        self.first = laws[0]
        self.laws: list[tuple[SlopeLaw, int]] = []
        for law in map(_thinned, laws):
            same = [i for i, (known, _) in enumerate(self.laws) if _equal(known, law)]
            if same:
                self.laws[same[0]] = (law, self.laws[same[0]][1] + 1)
            else:
                self.laws.append((law, 1))

    def log_z(self, t: Array) -> Array:
        """Return log z at real t > 0."""
        result = np.log1p(t) - np.log(t)
        for law, count in self.laws:
            result = result + count * (np.log(t) + np.log(_inverse_moment_function(law, t)))
            if self.orthogonal:
                result = result - count * np.log1p(t)
        return result

    def edge(self) -> Edge:
        """Return the upper edge: the least z on the positive axis, where its inverse stops being real."""
        low, high = math.log(1e-8), math.log(1e8)
        at_infinity = float(self.log_z(np.array([1e8]))[0])
        while True:
            grid = np.linspace(low, high, 41)
            values = self.log_z(np.exp(grid))
            best = int(np.argmin(values))
            if values[best] > at_infinity - 1e-9:
                return Edge(math.exp(at_infinity), math.inf, math.inf)
            if high - low < 1e-5:
                break
            low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
        t, value = math.exp(grid[best]), math.exp(values[best])
        # Curvature of z in log t by a second difference; at a minimum z'' = (d^2 z / d log t^2) / t^2.
        step = 1e-3
        around = np.exp(self.log_z(np.exp(math.log(t) + step * np.array([-1.0, 0.0, 1.0]))))
        bend = float(around[0] - 2 * around[1] + around[2]) / step**2 / t**2
        return Edge(value, math.sqrt(2 / bend) / value, t)

    def density(self, singular_values: Array) -> Array:
        """Return the density of the non-zero singular values (mass `1 - atom at 0`), at ascending positive values.

        The branch that vanishes at infinity is followed down the upper half-plane and then just above the real axis.
        """
        top = self.edge().value
        result = np.zeros_like(singular_values)
        inside = np.flatnonzero(singular_values**2 < top)[::-1]
        if inside.size == 0:
            return result
        first = float(singular_values[inside[0]] ** 2)
        mean = math.prod(law.moment(1) ** count for law, count in self.laws)
        z = complex(first, 100 * top)
        # Far out, M(z) = E[x]/z, and so for every layer.
        t = mean / z
        zetas = [law.moment(1) / t for law, _ in self.laws]
        descent = [complex(first, height * top) for height in np.geomspace(100, 1e-6, 120)]
        for z in [*descent, complex(first, _ABOVE * first)]:
            t, zetas = self._newton(t, zetas, z)
        at = first
        for index in inside:
            target = float(singular_values[index] ** 2)
            steps = max(1, math.ceil(math.log(at / target) / 0.05))
            for x in np.geomspace(at, target, steps + 1)[1:]:
                t, zetas = self._newton(t, zetas, complex(x, _ABOVE * x))
            at = target
            # M(z) = E[x/(z - x)], so x rho(x) = -Im M/pi above the real axis; rho(s) = 2 s rho(s^2).
            if abs(t.imag) > 10 * _ABOVE * abs(t.real):  # less is how far above the axis we are: in a gap t is real
                result[index] = 2 * abs(t.imag) / math.pi / singular_values[index]
        return result

    def binned(self, edges: Array) -> Array:
        """Return the mean density of the non-zero singular values between ascending edges.

        Taken at the middle of each bin; for a single orthogonal layer, whose singular values are the slopes, exactly.
        """
        if self.orthogonal and self.depth == 1:
            slopes = np.sqrt(self.first.values)
            mass, _ = np.histogram(slopes[slopes > 0], edges, weights=self.first.weights[slopes > 0])
            return np.asarray(mass / np.diff(edges))
        return self.density((edges[:-1] + edges[1:]) / 2)

    def _newton(self, t: complex, zetas: list[complex], z: complex) -> tuple[complex, list[complex]]:
        """Solve z(t) = z by Newton's method in log t, carrying the inverse moment functions along."""
        for _ in range(60):
            zetas = [_newton_inverse(law, zeta, t) for (law, _), zeta in zip(self.laws, zetas, strict=True)]
            value, slope = np.log1p(t) - np.log(t), 1 / (1 + t) - 1 / t
            for (law, count), zeta in zip(self.laws, zetas, strict=True):
                value += count * (np.log(t) + np.log(zeta))
                slope += count * (1 / t + 1 / (zeta * _moment_slope(law, zeta)))
                if self.orthogonal:
                    value -= count * np.log1p(t)
                    slope -= count / (1 + t)
            gap = value - np.log(z)
            # Logarithms know the argument up to full turns only.
            gap -= 2j * math.pi * round(gap.imag / (2 * math.pi))
            move = gap / (slope * t)
            if abs(move) > 0.2:
                move *= 0.2 / abs(move)
            t *= np.exp(-move)
            if abs(move) < 1e-12:
                break
        return complex(t), zetas


def _thinned(law: SlopeLaw) -> SlopeLaw:
    """Merge neighbouring atoms into at most some hundreds, each at its mean: enough for a curve."""
    if law.values.size <= _ATOMS:
        return law
    edges = np.linspace(0, 1, _ATOMS + 1)[1:-1]
    group = np.searchsorted(edges * law.values[-1], law.values)
    weights = np.asarray(np.bincount(group, law.weights, _ATOMS), dtype=float)
    values = np.bincount(group, law.weights * law.values, _ATOMS)
    keep = weights > 0
    return SlopeLaw(values[keep] / weights[keep], weights[keep])


def _equal(a: SlopeLaw, b: SlopeLaw) -> bool:
    return a.values.size == b.values.size and bool(
        np.allclose(a.values, b.values, rtol=1e-12, atol=0) and np.allclose(a.weights, b.weights, rtol=0, atol=1e-12)
    )


def _inverse_moment_function(law: SlopeLaw, t: Array) -> Array:
    """Solve `E[d/(zeta - d)] = t` for zeta above the support, at real t > 0, by bisection in log(zeta - max)."""
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


def _newton_inverse(law: SlopeLaw, zeta: complex, t: complex) -> complex:
    """Solve the same for complex t, from a nearby solution."""
    for _ in range(40):
        gap = complex((law.weights * law.values / (zeta - law.values)).sum()) - t
        move = gap / _moment_slope(law, zeta)
        # Between atoms the slope can be nearly 0, and a full step would leave for infinity.
        zeta -= move * min(1.0, 0.5 * abs(zeta) / abs(move)) if move else 0.0
        if abs(move) < 1e-13 * abs(zeta):
            break
    return zeta


def _moment_slope(law: SlopeLaw, zeta: complex) -> complex:
    return -complex((law.weights * law.values / (zeta - law.values) ** 2).sum())
