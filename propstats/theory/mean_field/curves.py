"""The moments of an activation as curves in q, from which every point of the phase diagram is read off."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.expectation import quadrature
from propstats.expectation.dual import dual
from propstats.expectation.dual.input import inputs
from propstats.expectation.dual.quadrature import quadrature_dual
from propstats.expectation.quadrature.rule import Array
from propstats.theory.mean_field.second_moment import SecondMomentMap

_PER_DECADE, _FINER = 24, 5
_BOTTOM, _TOP, _FAR_BELOW = 1e-12, 1e9, 1e-3
#: What interpolation leaves of q and chi_1, and of xi_c, relative to them; the tests compare with `mean_field`.
_ERROR, _DEPTH_ERROR = 1e-6, 5e-3
#: Distances from perfect correlation, and how many q, at which the correlation's map is computed; beyond c = 0, so that
#: nothing that stays lies at the end of the table.
_GAPS = np.logspace(-4, 0.2, 127)
_ROWS_PER_DECADE, _FEWEST, _MOST = 12, 8, 60
_STEPS = 4


class Curves:
    """The curves `E[phi^2]`, `E[phi'^2]` and `E[(phi(u) - phi(v))^2]/2`.

    Args:
        layer: The map with sigma_w = 1 and sigma_b = 0.
        sigma_w_max: The largest weights that will be asked for.
        sigma_b_max: The largest biases.
        q0: Where signals start.
    """

    error, depth_error = _ERROR, _DEPTH_ERROR

    def __init__(self, layer: SecondMomentMap, sigma_w_max: float, sigma_b_max: float, q0: float) -> None:
        from scipy.interpolate import CubicSpline

        self._layer, self._q0 = layer, q0
        q, second = self._followed(sigma_w_max**2, sigma_b_max**2)
        # Where the moment underflows, nothing is left of the signal.
        positive = second > 0.0
        self._log_second = CubicSpline(np.log(q[positive]), np.log(second[positive]))
        low, high = float(np.log(q[positive][0])), float(np.log(q[-1]))
        # With the start on the grid, it lies on the right side of every fixed point.
        self._u = np.union1d(np.linspace(low, high, _FINER * q[positive].size), np.clip(math.log(q0), low, high))
        self._second = np.exp(self._log_second(self._u))
        self._q = np.exp(self._u)

    def _followed(self, gain: float, bias: float) -> tuple[Array, Array]:
        """Follow E[phi^2] upwards until no weights can bring the signal back to q."""
        usual = max(4.0 * (bias + self._q0), *(10.0 * kink**2 for kink in self._layer.activation.kinks), 10.0)
        q, second = np.empty(0), np.empty(0)
        start, stop = _BOTTOM, usual
        while True:
            count = max(round(_PER_DECADE * math.log10(stop / start)), 2)
            step = np.geomspace(start, stop, count, endpoint=False)
            value, _ = self._layer.values(step)
            known = np.isfinite(value)
            end = known.size if known.all() else int(np.argmin(known))
            q, second = np.concatenate([q, step[:end]]), np.concatenate([second, value[:end]])
            if end < known.size or stop >= _TOP or gain * second[-1] + bias < _FAR_BELOW * q[-1]:
                return q, second
            start, stop = stop, 10.0 * stop

    def reached(self, sigma_w: float, sigma_b: Array) -> tuple[Array, NDArray[np.int_]]:
        """Return the fixed points that a signal reaches, and how many there are, for given weights and all biases.

        A signal moves to the next fixed point on the side to which the map takes it; that may be 0, or infinity. Maps
        that fall somewhere may overshoot it; where such a map has several fixed points, this may name a neighbour.
        """
        gain = sigma_w**2
        excess = gain * self._second - self._q + sigma_b[:, None] ** 2
        above = excess > 0.0
        crossed = above[:, 1:] != above[:, :-1]
        count = crossed.sum(axis=1)
        start = int(np.argmin(np.abs(self._u - math.log(self._q0))))
        rising = above[:, start]
        index = np.arange(crossed.shape[1])
        upwards = np.where(crossed & (index >= start), index, crossed.shape[1]).min(axis=1)
        downwards = np.where(crossed & (index < start), index, -1).max(axis=1)
        cell = np.where(rising, upwards, downwards)
        found = (cell >= 0) & (cell < crossed.shape[1])
        q = np.where(rising, math.inf, 0.0)
        rows = np.flatnonzero(found)
        q[rows] = self._refined(gain, sigma_b[rows] ** 2, cell[rows])
        # Below all of the curve: what is left of the signal is the bias alone.
        tiny = ~found & ~rising & (sigma_b > 0.0)
        q[tiny] = sigma_b[tiny] ** 2
        return q, count

    def _refined(self, gain: float, bias: Array, cell: NDArray[Any]) -> Array:
        """Return where the map crosses the diagonal in a cell of the grid: Newton's method, kept inside."""
        low, high = self._u[cell], self._u[cell + 1]
        ends = [gain * self._second[cell + side] + bias - self._q[cell + side] for side in (0, 1)]
        u = low + (high - low) * ends[0] / (ends[0] - ends[1])
        for _ in range(_STEPS):
            second = np.exp(self._log_second(u))
            excess = gain * second + bias - np.exp(u)
            slope = gain * second * self._log_second(u, 1) - np.exp(u)
            u = np.clip(u - excess / slope, low, high)
        return np.asarray(np.exp(u))

    def chi_1(self, sigma_w: Array, q: Array) -> Array:
        """Return chi_1 for the fixed points of a table with a column for each sigma_w; NaN where there is none."""
        from scipy.interpolate import CubicSpline

        q = np.where(np.isfinite(q), q, math.nan)
        slope = np.full(q.shape, math.nan)
        there = q > 0.0
        if there.any():
            u = np.log(q[there])
            grid = np.linspace(u.min() - 0.1, u.max() + 0.1, max(round(_PER_DECADE * np.ptp(u) / math.log(10)), 4))
            found = quadrature.values(self._layer.activation, self._layer.beta, np.exp(grid / 2))
            slope[there] = CubicSpline(grid, found["slope_second_moment"])(u)
        slope[q == 0.0] = self._layer.slope_at_zero
        return np.asarray(sigma_w**2 * slope)

    def xi_c(self, sigma_w: Array, q: Array, chi_1: Array) -> Array:
        """Return the depth scale of the correlation for the same table."""
        chi_c = np.where(chi_1 < 1.0, chi_1, math.nan)
        chaotic = np.isfinite(q) & (q > 0.0) & (chi_1 > 1.0)
        if chaotic.any():
            weights = np.broadcast_to(sigma_w, q.shape)[chaotic]
            chi_c[chaotic] = self._slopes_below_one(weights**2, np.log(q[chaotic]), chi_1[chaotic])
        with np.errstate(divide="ignore"):
            return np.asarray(-1.0 / np.log(chi_c))

    def _slopes_below_one(self, gain: Array, u: Array, chi_1: Array) -> Array:
        """Return chi_c at the correlation below 1 that stays.

        The gap g = 1 - c stays where `sigma_w^2 r(q, g) = 1` with `r = E[(phi(u) - phi(v))^2]/(2 q g)`, and there
        `chi_c = 1 + d log r/d log g`.
        """
        from scipy.interpolate import CubicSpline

        rows = int(np.clip(_ROWS_PER_DECADE * np.ptp(u) / math.log(10), _FEWEST, _MOST))
        grid = np.linspace(u.min() - 0.05, u.max() + 0.05, rows)
        table = CubicSpline(grid, np.array([self._kept(math.exp(at)) for at in grid.tolist()]))
        log_gain = np.log(gain)
        # A few thousand points at a time: each has a row of its own.
        found = np.empty(u.size)
        for first in range(0, u.size, 4096):
            part = slice(first, first + 4096)
            log_r = table(u[part])
            found[part] = _crossing(log_r + log_gain[part, None], chi_1[part])
        return found

    def _kept(self, q: float) -> Array:
        """Return log r(q, g) for all gaps."""
        activation, mean, std = self._layer.activation, self._layer.beta, math.sqrt(q)
        second = quadrature.moments(activation, mean=mean, std=std)["second_moment"].value
        together = np.asarray(dual(activation, mean=mean, std=std, correlation=1.0 - _GAPS))
        if np.isnan(together).any():  # formulas with exponentials of wide inputs overflow
            own, _ = inputs(activation, None, mean, std)
            together, _ = quadrature_dual(own.resolved, own.resolved, 1.0 - _GAPS)
        with np.errstate(all="ignore"):
            lost = np.maximum(second - together, 0.0) / (q * _GAPS)
            return np.asarray(np.log(np.maximum(lost, 1e-300)))


def _crossing(log_excess: Array, chi_1: Array) -> Array:
    """Return `1 + slope` of rows, as functions of the logarithms of the gaps, where they cross 0 from above."""
    from scipy.interpolate import CubicSpline

    x = np.log(_GAPS)
    slopes = CubicSpline(x, log_excess, axis=1)(x, 1)
    positive = log_excess > 0.0
    cell = np.clip(positive.sum(axis=1) - 1, 0, x.size - 2)
    rows = np.arange(cell.size)
    y0, y1 = log_excess[rows, cell], log_excess[rows, cell + 1]
    h = x[cell + 1] - x[cell]
    d0, d1 = h * slopes[rows, cell], h * slopes[rows, cell + 1]
    # The cubic of the cell, by its values and slopes at both ends.
    second, third = 3 * (y1 - y0) - 2 * d0 - d1, d0 + d1 - 2 * (y1 - y0)
    with np.errstate(all="ignore"):
        t = np.clip(y0 / (y0 - y1), 0.0, 1.0)
        for _ in range(_STEPS):
            slope = d0 + t * (2 * second + 3 * t * third)
            t = np.clip(t - (y0 + t * (d0 + t * (second + t * third))) / slope, 0.0, 1.0)
    found = 1.0 + (d0 + t * (2 * second + 3 * t * third)) / h
    # Closer to 1 than all gaps: the two slopes lie symmetrically about 1.
    near = ~positive.any(axis=1)
    found[near] = 2.0 - chi_1[near]
    return np.asarray(np.clip(found, 0.0, 1.0))
