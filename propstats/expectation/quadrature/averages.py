"""Averages over nodes that many inputs share, and the sums that follow from them.

All averages of products of phi, its slope and x are one product of matrices; they are centred afterwards, and once more
where that would cost digits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature.panels import EPS
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.sums import Sums

#: What is averaged, for d = phi' and y = phi - shift, with the power of y in it.
ROWS = {"d": 0, "y": 1, "yy": 2, "dd": 0, "ddx": 0, "ddxx": 0, "yd": 1, "dx": 0, "ydx": 1}
#: So many of them without those that only rates need.
_WITHOUT_RATES = 6
#: The moments that nodes are compared by, in the order of `Centred.natural`.
_COMPARED = ("mean", "mean_slope", "slope_second_moment", "var", "var_rate")
#: So many numbers at a time: what one step works on stays in the processor's cache.
_CHUNK = 40_000
#: How much smaller than E[(phi - c)^2] a variance may be that is taken from it.
_CANCELS = 1 / 30


class Table(NamedTuple):
    """What is averaged at some nodes.

    Args:
        names: Which rows these are.
        powers: The powers of y in them, shape (rows,).
        rows: The rest of them, times the weights, shape (rows, n).
        levelled: All of them, for the shift that does for most inputs, likewise.
    """

    names: tuple[str, ...]
    powers: NDArray[np.intp]
    rows: Array
    levelled: Array


@dataclass(frozen=True)
class Grid:
    """Nodes for all inputs whose windows lie within one.

    Args:
        origin: What all x are counted from.
        x: Nodes, ascending, shape (n,).
        f: phi at the nodes.
        d: phi' at the nodes.
        weights: The weights of the rule.
        reach: How many standard deviations the nodes reach from any input.
        beyond: Bounds on what lies below and above the nodes of phi'^2, phi^2 and 1, over the density at their ends.
        missed: What the rule may miss, relative to the size of what is averaged.
    """

    origin: float
    x: Array
    f: Array
    d: Array
    weights: Array
    reach: float
    beyond: tuple[float, ...] = ()
    missed: float = math.inf

    @cached_property
    def line(self) -> Array:
        """What straight lines in x are multiplied with, shape (n, 2)."""
        return np.stack([np.ones(self.x.size), self.x], axis=1)

    def table(self, rates: bool) -> Table:
        """Return what is averaged; without `rates`, less."""
        return self._all if rates else self._few

    @cached_property
    def _all(self) -> Table:
        x, d, one = self.x, self.d, self.weights
        dw, powers, y = d * one, np.array(list(ROWS.values())), self.f - self.level
        ddw = d * dw
        rows = np.stack([dw, one, one, ddw, ddw * x, ddw * x * x, dw, dw * x, dw * x])
        return Table(tuple(ROWS), powers, rows, rows * np.stack([np.ones(y.size), y, y * y])[powers])

    @cached_property
    def _few(self) -> Table:
        some = slice(_WITHOUT_RATES)
        names, powers, rows, levelled = self._all
        return Table(names[some], powers[some], rows[some], levelled[some])

    @cached_property
    def level(self) -> float:
        """A shift that does for most inputs: phi in the middle."""
        return float(self.f[np.argmin(np.abs(self.x - (self.x[0] + self.x[-1]) / 2))])


def averages(own: Grid, table: Table, mu: Array, std: Array) -> tuple[Array, Array, Array]:
    """Return averages, the shifts in them, and where the nodes end that were used.

    Args:
        own: The nodes.
        table: What is averaged.
        mu: Means from their origin, shape (batch,).
        std: Standard deviations, ascending, shape (batch,).

    Returns:
        Averages, shape (rows, batch); shifts, shape (batch,); ends, shape (2, batch).
    """
    (found, ends), shift = _average(own, table, mu, std), np.full(mu.size, own.level)
    y, yy = (found[table.names.index(name)] for name in ("y", "yy"))
    poor = np.flatnonzero(~(yy - y**2 > _CANCELS * yy))
    if poor.size:
        shift[poor] += y[poor]
        found[:, poor], ends[:, poor] = _average(own, table, mu[poor], std[poor], shift[poor])
    return found, shift, ends


def _average(own: Grid, table: Table, mu: Array, std: Array, shift: Array | None = None) -> tuple[Array, Array]:
    """Average what a table says, with other shifts if they are given; return also where the nodes end."""
    rows = table.levelled if shift is None else table.rows
    steepness = math.sqrt(0.5) / std
    lines = np.stack([-steepness * mu, steepness])
    minus = -lines
    found, ends = np.empty((len(rows), mu.size)), np.empty((2, mu.size))
    low, high = float(mu.min()), float(mu.max())
    step = max(1, _CHUNK // own.x.size)
    memory = np.empty((2, own.x.size * min(step, mu.size)))
    for start in range(0, mu.size, step):
        some = slice(start, min(start + step, mu.size))
        margin = own.reach * float(std[some.stop - 1])
        ends[:, some] = [[low - margin], [high + margin]]
        nodes = slice(*np.searchsorted(own.x, (low - margin, high + margin)).tolist())
        size = nodes.stop - nodes.start, some.stop - some.start
        # A product of matrices is three times as fast as broadcasting, and memory that is used again as new one.
        density, other = memory[:, : size[0] * size[1]].reshape(2, *size)
        np.matmul(own.line[nodes], lines[:, some], out=density)
        np.matmul(own.line[nodes], minus[:, some], out=other)
        density *= other
        np.exp(density, out=density)
        if shift is None:
            np.matmul(rows[:, nodes], density, out=found[:, some])
            continue
        y = own.f[nodes, None] - shift[some]
        for power in range(3):
            which = table.powers == power
            found[which, some] = rows[which, nodes] @ density
            density *= y
    found *= steepness / math.sqrt(math.pi)
    return found, ends


class Centred(NamedTuple):
    """Sums, each of shape (batch,), with what stands in their errors.

    Args:
        sums: E[y], E[d], E[d^2], Var[y], Cov[y, d z].
        dzdz: E[(d z)^2].
        natural: The sizes of what is averaged in `sums`.
        rounding: What rounding does to them, in units of the last place.
    """

    sums: tuple[Array, ...]
    dzdz: Array
    natural: tuple[Array, ...]
    rounding: tuple[Array, ...]


def centred(averages: Mapping[str, Array], mu: Array, std: Array) -> Centred:
    """Centre averages; without those for rates, the last sum is a bound.

    Args:
        averages: The averages, by what is averaged.
        mu: Means of the inputs, from the origin.
        std: Standard deviations of the inputs.
    """
    d, y, yy, dd, ddx, ddxx = (averages[name] for name in tuple(ROWS)[:_WITHOUT_RATES])
    var = yy - y * y
    dzdz = np.maximum(ddxx - mu * (2 * ddx - mu * dd), 0.0) / (std * std)
    size, spread, slope, lever = np.sqrt(yy), np.sqrt(var), np.sqrt(dd), np.sqrt(dzdz)
    natural = spread * lever
    lean, ydz = natural, size * lever
    if "ydx" in averages:
        ydz = (averages["ydx"] - mu * averages["yd"]) / std
        lean = ydz - y * ((averages["dx"] - mu * d) / std)
    # z is rounded by about EPS (|mu|/s + |z|), and the density magnifies that by z.
    away = np.abs(mu) / std
    far = slope * away
    tail = np.sqrt(yy + 2 * std * np.abs(ydz))
    rounding = (
        size * (away + 3),
        slope + lever * (away + 1),
        lever * (far + lever),
        6 * yy + tail * (size * away + tail),
        8 * size * (lever + far) + tail * lever * (away + 1),
    )
    return Centred((y, d, dd, var, lean), dzdz, (spread, slope, dd, var, natural), rounding)


def compare(own: Grid, finer: Grid, mu: Array, std: Array, rate: float) -> float:
    """Return how far two grids are apart, beyond what counts as rounding and relative to the size of what is averaged.

    Args:
        own: Some nodes.
        finer: Finer ones.
        mu: Means from their origin, shape (batch,).
        std: Standard deviations, ascending, shape (batch,).
        rate: The inverse of the length on which the activation changes.
    """
    found = []
    for nodes in (own, finer):
        values, shift, _ = averages(nodes, nodes.table(rates=True), mu, std)
        ours = centred(dict(zip(ROWS, values, strict=True)), mu, std)
        y, d, dd, var, lean = ours.sums
        missed = tuple(EPS * number for number in ours.rounding)
        sums = Sums(shift + y, d, dd, var, lean, ours.dzdz, missed, 0.0, 0.0)
        found.append((ours, *sums.moments(own.origin + mu, std, rate)[:2]))
    (ours, one, errors), (_, other, _) = found
    worst = [0.0]
    for name, size in zip(_COMPARED, (*ours.natural[:4], std * ours.natural[4]), strict=True):
        rest = np.abs(one[name] - other[name]) - errors[name]
        apart = ~(rest <= 0.0)
        worst += (rest[apart] / size[apart]).tolist()
    return max(worst) if all(number == number for number in worst) else math.inf
