"""Singular values of a deep network's Jacobian at infinite width, by free probability.

`J = prod_l D_l W_l` with `D_l` the slopes of layer l, widths `n_0, ..., n_L` that grow in proportion, and W of
variance `1/n_{l-1}`. S-transforms of independent factors multiply. In `t = sum_i lambda_i/(z - lambda_i)/k`, summed
over the `k = min(n_0, n_L)` eigenvalues of `J J^T` that its shape allows to be other than 0,

    z(t) = (1 + t_0)/t_0 * prod_l [ zeta_l(t_l) w_l(t) ],     M_{D_l^2}(zeta_l) = t_l = k t/n_l,

with `w_l = t_{l-1}` for Gaussian (and, as the widths grow, unit-row) weights. For orthogonal ones, with `n'` the larger
of the two widths, `w_l = g t'/(1 + t')`, `t' = k t/n'`, `g = n'/n_{l-1}`. For equal widths this is Pennington,
Schoenholz & Ganguli 2017, arXiv:1711.04735, section 3; the ratios follow from `n_l M_{A A^T} = n_{l-1} M_{A^T A}`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import SlopeLaw
from propstats.theory.spectra.moment_function import inverse, inverse_nearby, same_law, slope, thinned

Array = NDArray[np.float64]

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
        widths: Units of the input and of each layer; only their ratios matter. Equal if left out.
    """

    def __init__(self, laws: Sequence[SlopeLaw], *, orthogonal: bool, widths: Sequence[int] | None = None) -> None:
        widths = [1] * (len(laws) + 1) if widths is None else widths
        k = min(widths[0], widths[-1])
        self.orthogonal = orthogonal
        self.depth = len(laws)
        self.first = laws[0]
        self._input_share = k / widths[0]
        #: Mean of the eigenvalues.
        self.mean = widths[-1] / k * math.prod(law.moment(1) for law in laws)
        #: Share of the k eigenvalues that are not 0: no layer passes on more than its units that are not dead.
        self.nonzero = min(
            [
                1.0,
                *(
                    width / k * float(law.weights[law.values > 0].sum())
                    for law, width in zip(laws, widths[1:], strict=True)
                ),
            ]
        )
        # Per layer, the share by which t enters the factor of the weights; and that factor's constant.
        self._shares = [k / (max(pair) if orthogonal else pair[0]) for pair in pairwise(widths)]
        self._log_scale = sum(math.log(max(pair) / pair[0]) for pair in pairwise(widths)) if orthogonal else 0.0
        # Layers with the same law and width share its inversion.
        self._groups: list[tuple[SlopeLaw, float, int]] = []
        for law, width in zip(map(thinned, laws), widths[1:], strict=True):
            for i, (known, share, count) in enumerate(self._groups):
                if share == k / width and same_law(known, law):
                    self._groups[i] = (law, share, count + 1)
                    break
            else:
                self._groups.append((law, k / width, 1))

    def log_z(self, t: Array) -> Array:
        """Return log z at real t > 0."""
        result = np.log1p(self._input_share * t) - np.log(self._input_share * t) + self._log_scale
        for law, share, count in self._groups:
            result = result + count * np.log(inverse(law, share * t))
        for share in self._shares:
            result = result + np.log(share * t)
            if self.orthogonal:
                result = result - np.log1p(share * t)
        return np.asarray(result)

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
        """Return the density of the non-zero singular values (mass `1 - atom at 0`), at ascending positive values."""
        result = np.zeros_like(singular_values)
        for index, t, _ in self._followed(singular_values):
            # M(z) = E[x/(z - x)], so x rho(x) = -Im M/pi above the real axis; rho(s) = 2 s rho(s^2).
            if abs(t.imag) > 10 * _ABOVE * abs(t.real):  # less is how far above the axis we are: in a gap t is real
                result[index] = 2 * abs(t.imag) / math.pi / singular_values[index]
        return result

    def mass_above(self, singular_values: Array) -> Array:
        """Return the share of singular values above each of ascending positive values.

        `Im E[log(z - x)]/pi` just above the real axis: the logarithm of a negative number has the argument pi. With
        `E[1/(z - x)] = (1 + t)/z` this is an integral of t alone,

            E[log(z - x)] = (1 + t) log z - int_0^t log z(u) du,

        and of each layer's `log zeta_l` the integral is `t_l log zeta_l - E[log(1 - d/zeta_l)]`.

        >>> one = SlopeLaw(np.ones(1), np.ones(1))
        >>> FreeProduct([one], orthogonal=False).mass_above(np.array([1.0])).round(6)  # 2/3 - sqrt(3)/(2 pi)
        array([0.391002])
        """
        result = np.zeros_like(singular_values)
        for index, t, zetas in self._followed(singular_values):
            log_z = 2 * math.log(singular_values[index])
            result[index] = ((1 + t) * log_z - self._integral(t, zetas)).imag / math.pi
        return result

    def binned(self, edges: Array) -> Array:
        """Return the mean density of the non-zero singular values between ascending edges, the first of which may be 0.

        For a single square orthogonal layer, whose singular values are the slopes, from those.
        """
        if self.orthogonal and self.depth == 1 and self._shares == [1.0]:
            slopes = np.sqrt(self.first.values)
            mass, _ = np.histogram(slopes[slopes > 0], edges, weights=self.first.weights[slopes > 0])
            return np.asarray(mass / np.diff(edges))
        positive = edges > 0
        above = np.full_like(edges, self.nonzero)
        above[positive] = self.mass_above(edges[positive])
        # What is not there comes out as rounding, of either sign.
        mass = -np.diff(above)
        return np.asarray(np.where(mass > 1e-8, mass, 0.0) / np.diff(edges))

    def _followed(self, singular_values: Array) -> Iterator[tuple[int, complex, list[complex]]]:
        """Yield t and the layers' zetas at ascending values inside the spectrum, the largest first, with their indices.

        The branch that vanishes at infinity is followed down the upper half-plane and then just above the real axis.
        """
        top = self.edge().value
        inside = np.flatnonzero(singular_values**2 < top)[::-1]
        if inside.size == 0:
            return
        at = float(singular_values[inside[0]] ** 2)
        z = complex(at, 100 * top)
        # Far out, M(z) = E[x]/z, and so for every layer.
        t = self.mean / z
        zetas = [law.moment(1) / (share * t) for law, share, _ in self._groups]
        descent = [complex(at, height * top) for height in np.geomspace(100, 1e-6, 120)]
        for z in [*descent, complex(at, _ABOVE * at)]:
            t, zetas = self._newton(t, zetas, z)
        for index in inside:
            target = float(singular_values[index] ** 2)
            steps = max(1, math.ceil(math.log(at / target) / 0.05))
            for x in np.geomspace(at, target, steps + 1)[1:]:
                t, zetas = self._newton(t, zetas, complex(x, _ABOVE * x))
            at = target
            yield int(index), t, zetas

    def _integral(self, t: complex, zetas: list[complex]) -> complex:
        """Return `int_0^t log z(u) du`, with t below the real axis and the zetas above it, as for z above it."""
        t = complex(t.real, -abs(t.imag))
        result = _log1p_integral(self._input_share, t) - _log_integral(self._input_share, t) + self._log_scale * t
        for (law, share, count), zeta in zip(self._groups, zetas, strict=True):
            above = complex(zeta.real, abs(zeta.imag))
            logs = complex((law.weights * np.log(1 - law.values / above)).sum())
            result += count * (t * np.log(above) - logs / share)
        for share in self._shares:
            result += _log_integral(share, t)
            if self.orthogonal:
                result -= _log1p_integral(share, t)
        return complex(result)

    def _newton(self, t: complex, zetas: list[complex], z: complex) -> tuple[complex, list[complex]]:
        """Solve z(t) = z by Newton's method in log t, carrying the inverse moment functions along."""
        for _ in range(60):
            zetas = [
                inverse_nearby(law, zeta, share * t) for (law, share, _), zeta in zip(self._groups, zetas, strict=True)
            ]
            value = np.log1p(self._input_share * t) - np.log(self._input_share * t) + self._log_scale
            rate = self._input_share / (1 + self._input_share * t) - 1 / t
            for (law, share, count), zeta in zip(self._groups, zetas, strict=True):
                value += count * np.log(zeta)
                rate += count * share / (zeta * slope(law, zeta))
            for share in self._shares:
                value += np.log(share * t)
                rate += 1 / t
                if self.orthogonal:
                    value -= np.log1p(share * t)
                    rate -= share / (1 + share * t)
            gap = value - np.log(z)
            # Logarithms know the argument up to full turns only.
            gap -= 2j * math.pi * round(gap.imag / (2 * math.pi))
            move = gap / (rate * t)
            if abs(move) > 0.2:
                move *= 0.2 / abs(move)
            t *= np.exp(-move)
            if abs(move) < 1e-12:
                break
        return complex(t), zetas


def _log_integral(c: float, t: complex) -> complex:
    """Return `int_0^t log(c u) du`."""
    return complex(t * (np.log(c * t) - 1))


def _log1p_integral(c: float, t: complex) -> complex:
    """Return `int_0^t log(1 + c u) du`."""
    return complex((1 + c * t) * np.log(1 + c * t) / c - t)
