"""The quadrature route: adaptive Gauss-Legendre panels, split where the activation changes its branch."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.estimate import Estimate, Route
from propstats.expectation.derived import complete
from propstats.expectation.moments import BASE
from propstats.expectation.point_mass import point_mass
from propstats.expectation.rounding import UNDEFINED, Rounded

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)
_TINY = 5e-324
_FINE, _COARSE = 24, 16
#: The density underflows here: nothing is cut off.
_Z_MAX = 38.0
_Z_GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 16.0, 20.0, 26.0, 32.0, _Z_MAX)
#: A function that is noisy in its last digits never converges; its error then says so.
_MAX_PANELS = 2_000


@cache
def _rule() -> tuple[Array, Array, Array]:
    """Return the nodes of both rules on [0, 1], and the weights of the fine and of the coarse one."""
    from numpy.polynomial.legendre import leggauss

    fine, coarse = leggauss(_FINE), leggauss(_COARSE)
    nodes = np.concatenate([fine[0], coarse[0]])
    weights = np.zeros((2, nodes.size))
    weights[0, :_FINE], weights[1, _FINE:] = fine[1], coarse[1]
    return (nodes + 1) / 2, weights[0] / 2, weights[1] / 2


def breakpoints(mean: float, std: float, kinks: tuple[float, ...]) -> Array:
    """Return where to split the integral over z, for `x = mean + std z`.

    At the kinks; on a grid that resolves the density; and, for a wide input, on a geometric grid around
    x = 0, where activations change on a scale of 1.
    """
    grid = np.array(_Z_GRID)
    features = [np.asarray(kinks, dtype=float)]
    if std > 1.0:
        powers = 2.0 ** np.arange(-3, math.ceil(math.log2(std)) + 4)
        features += [powers, -powers, np.zeros(1)]
    split = (np.concatenate(features) - mean) / std
    split = split[np.abs(split) < _Z_MAX]
    return np.unique(np.concatenate([grid, -grid, split]))


def moments(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> Mapping[str, Estimate]:
    """Return all base moments and derived quantities, with a bound on truncation and rounding.

    Each panel is integrated by two rules at once. A panel on which they differ is halved until they agree to
    rounding; what is left of the difference is part of the error.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; at 0 the input is the number `mean`.

    >>> from propstats.activations import activation
    >>> e = moments(activation("tanh"))["second_moment"]
    >>> abs(e.value - 0.394294490397841174) <= e.error < 1e-14
    True
    """
    if std == 0.0:
        return point_mass(activation, mean, Route.QUADRATURE)
    nodes = _Nodes(activation, mean, std)
    base = {name: _rounded(value, error) for name, (value, error) in nodes.base_moments().items()}
    return complete(base, std, Route.QUADRATURE)


def _rounded(value: float, error: float) -> Rounded:
    """Return a number that may have underflowed, or undefined if it overflowed."""
    return Rounded(value, error + _TINY) if math.isfinite(value) and math.isfinite(error) else UNDEFINED


class _Nodes:
    """The activation and its slope at the nodes of as many panels as it takes."""

    def __init__(self, activation: Activation, mean: float, std: float) -> None:
        self.mean, self.std = mean, std
        self.activation, self.jumps = activation, activation.jumps
        edges = breakpoints(mean, std, activation.kinks)
        left, width = edges[:-1], np.diff(edges)
        self.z = self.f = self.d = np.empty((0, _FINE + _COARSE))
        self.width = np.empty(0)
        while True:
            self._add(activation, left, width)
            poor = self._unresolved()
            if not poor.any() or self.width.size + poor.sum() > _MAX_PANELS:
                break
            # Keep the good panels, replace each poor one by its halves.
            half = self.width[poor] / 2
            start = self.z[poor, 0] - self.width[poor] * _rule()[0][0]
            left, width = np.concatenate([start, start + half]), np.concatenate([half, half])
            self.z, self.f, self.d, self.width = (a[~poor] for a in (self.z, self.f, self.d, self.width))

    def _add(self, activation: Activation, left: Array, width: Array) -> None:
        z = left[:, None] + width[:, None] * _rule()[0]
        x = self.mean + self.std * z
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            f, d = activation(x), activation.slope(x)
        self.z, self.f, self.d = (np.concatenate(p) for p in ((self.z, z), (self.f, f), (self.d, d)))
        self.width = np.concatenate([self.width, width])

    def _panels(self, g: Array) -> tuple[Array, Array, Array]:
        """Return per panel: the fine integral of g, its difference from the coarse one, the integral of |g|."""
        _, fine, coarse = _rule()
        density = np.exp(-0.5 * self.z * self.z) * (self.width[:, None] / math.sqrt(2 * math.pi))
        weighted = g * density
        by_fine = weighted @ fine
        return by_fine, np.abs(by_fine - weighted @ coarse), np.abs(weighted) @ fine

    def _unresolved(self) -> NDArray[np.bool_]:
        poor = np.zeros(self.width.size, dtype=bool)
        for g in (self.f, self.f**2, self.d, self.d**2, self.f * self.d * self.z):
            _, gap, size = self._panels(g)
            poor |= (gap > _EPS / 4 * size.sum()) & (gap > 16 * _EPS * size)
        return poor & (self.width > 1e-14)

    def _integrate(self, g: Array, by_x: Array, by_f: Array | float = 0.0) -> tuple[float, float]:
        """Integrate g; `by_x` is |dg/dx| and `by_f` is |dg/df|, which turn the rounding of x and f into an error."""
        value, gap, size = self._panels(g)
        x = np.abs(self.mean) + np.abs(self.std * self.z)
        # The density magnifies the rounding of z, by z^2.
        _, _, moved = self._panels(by_x * x + by_f * np.abs(self.f) + np.abs(g) * self.z * self.z)
        return float(value.sum()), float(gap.sum() + 4 * _EPS * size.sum() + _EPS * moved.sum())

    def base_moments(self) -> dict[str, tuple[float, float]]:
        f, d, step = self.f, self.d, self.std * self.z
        zero = np.zeros_like(f)
        mean, mean_error = self._integrate(f, np.abs(d))
        centred = f - mean
        # Subtracting the mean lays bare the rounding of f.
        var, var_error = self._integrate(centred**2, 2 * np.abs(centred * d), 4 * np.abs(centred))
        rate, rate_error = self._integrate(centred * d * step, d * d * np.abs(step), 2 * np.abs(d * step))
        _, _, lever = self._panels(d * step)
        slope, slope_error = self._integrate(d, zero)
        jump_slope, jump_rate, jump_error = self._jumps(mean)
        found = {
            "mean": (mean, mean_error),
            "second_moment": self._integrate(f**2, 2 * np.abs(f * d)),
            # An error of the mean enters the centred square to second order only.
            "var": (var, var_error + mean_error**2),
            "mean_slope": (slope, slope_error),
            "slope_second_moment": self._integrate(d**2, zero),
            "linear_slope": (slope + jump_slope, slope_error + jump_error * abs(jump_slope)),
            "var_rate": (
                rate + jump_rate,
                rate_error
                + mean_error * (float(lever.sum()) + self.std * abs(jump_slope))
                + jump_error * (abs(jump_rate) + self.std * abs(jump_slope)),
            ),
        }
        assert found.keys() == BASE.keys()
        return found

    def _jumps(self, mean: float) -> tuple[float, float, float]:
        """Return what the deltas of the slope add to E[phi'] and to half of d var/d log s, and the relative error."""
        slope = rate = steepest = 0.0
        for kink, jump in self.jumps:
            away = kink - self.mean
            z = away / self.std
            density = math.exp(-0.5 * z * z) / (self.std * math.sqrt(2 * math.pi))
            above = float(self.activation(np.nextafter(kink, math.inf)))
            slope += jump * density
            rate += jump * (above - jump / 2 - mean) * away * density
            # Rounding of z is magnified by the density's own slope, where there is any density.
            steepest = max(steepest, min(z * z, _Z_MAX**2))
        return slope, rate, _EPS * (16 + 4 * steepest + 4 * abs(self.mean / self.std))


def expect(
    f: Callable[[Array], Array], *, mean: Array | float, std: Array | float, kinks: tuple[float, ...] = ()
) -> Array:
    """Return `E[f(x)]` for many Gaussians at once, without an error: for use inside other integrals.

    The panels are those of `breakpoints`, with the kinks moved for each Gaussian; for integrands that change on a
    scale of 1 or slower this is good to about 1e-12.

    Args:
        f: The integrand, elementwise.
        mean: Means, shape (*batch).
        std: Standard deviations, broadcastable to (*batch); 0 is allowed.
        kinks: Where f is not smooth.

    >>> expect(np.abs, mean=np.zeros(2), std=np.array([1.0, 2.0]), kinks=(0.0,)).round(12).tolist()
    [0.797884560803, 1.595769121606]
    """
    mean, std = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(std, dtype=float))
    widest = float(std.max(initial=1.0))
    grid = breakpoints(0.0, widest, ())
    grid = grid[np.abs(grid) <= 12.0]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (np.asarray(kinks, dtype=float) - mean[..., None]) / std[..., None]
    moved = np.clip(np.nan_to_num(moved, nan=0.0), grid[0], grid[-1])
    edges = np.sort(np.concatenate([np.broadcast_to(grid, (*mean.shape, grid.size)), moved], axis=-1), axis=-1)
    nodes, weights, _ = _rule()
    left, width = edges[..., :-1, None], np.diff(edges)[..., None]
    z = left + width * nodes[:_FINE]
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * width * weights[:_FINE]
    with np.errstate(over="ignore", under="ignore"):
        values = f(mean[..., None, None] + std[..., None, None] * z)
    return np.asarray((values * density).sum(axis=(-2, -1)))


@dataclass(frozen=True, slots=True)
class SlopeLaw:
    """The distribution of the squared slope `phi'(x)^2` under a Gaussian, as atoms.

    Args:
        values: Squared slopes, ascending.
        weights: Their probabilities; they sum to one.
    """

    values: Array
    weights: Array

    def moment(self, power: int) -> float:
        """Return `E[phi'(x)^(2 power)]`."""
        return float(self.weights @ self.values**power)

    @property
    def at_zero(self) -> float:
        """The probability of a vanishing slope."""
        return float(self.weights[self.values == 0.0].sum())


def slope_law(activation: Activation, mean: float, std: float) -> SlopeLaw:
    """Return the distribution of the squared slope; exact where the slope is piecewise constant.

    >>> from propstats.activations import activation
    >>> law = slope_law(activation("relu"), 0.0, 1.0)
    >>> law.values.tolist(), law.weights.round(12).tolist()
    ([0.0, 1.0], [0.5, 0.5])
    """
    if std == 0.0:
        slope = float(activation.slope(np.float64(mean)))
        return SlopeLaw(np.array([slope**2]), np.ones(1))
    nodes = _Nodes(activation, mean, std)
    weights = np.exp(-0.5 * nodes.z[:, :_FINE] ** 2) * nodes.width[:, None] * _rule()[1][:_FINE]
    values, where = np.unique(nodes.d[:, :_FINE].ravel() ** 2, return_inverse=True)
    total = np.bincount(where, weights.ravel(), values.size)
    return SlopeLaw(values, total / total.sum())
