"""Many inputs on the same nodes: phi is evaluated once, and only the weights differ from input to input.

Inputs share nodes if their standard deviations are within an octave and their means are not far apart. All averages of
products of phi, its slope and x are then one product of matrices; they are centred afterwards, and once more where that
would cost digits.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import trapezoid
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.grid import CHECKED, Grid, Table, grid
from propstats.expectation.quadrature.panels import EPS, SQRT_2PI
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import Scale
from propstats.expectation.quadrature.sums import Sums

#: So many inputs are worth nodes of their own.
_ENOUGH = 24
#: So many numbers at a time: what one step works on stays in the processor's cache.
_CHUNK = 40_000
#: How much smaller than E[(phi - c)^2] a variance may be that is taken from it.
_CANCELS = 1 / 30
#: How far the means may be apart of inputs that share nodes, in twice their octave: no node is farther from any input
#: than the density reaches. And how many times that from 0: beyond, the window would be rounded.
_ROOM, _FARTHEST = 5.0, 2.0**20
#: Windows begin and end at multiples of so many units.
_STEP = 8


def order(mean: Array, std: Array) -> NDArray[np.intp]:
    """Return the order of inputs in which those that share nodes are neighbours, with ascending standard deviations."""
    octave, cell = _cells(mean, std)
    found = np.argsort(std)
    return found if cell.min(initial=0.0) == cell.max(initial=0.0) else found[np.lexsort((cell[found], octave[found]))]


def _cells(mean: Array, std: Array) -> tuple[NDArray[np.intc], Array]:
    """Return the octave of each standard deviation, and where in units of that octave the mean is."""
    octave = np.frexp(std)[1]
    return octave, np.rint(mean / np.ldexp(_ROOM, octave))


def sums(
    branches: Branches, mean: Array, std: Array, reach: float, split: int, rates: bool = True
) -> Iterator[tuple[slice | NDArray[np.intp], Sums]]:
    """Yield some of the inputs, and their sums; there are inputs that share no nodes.

    Args:
        branches: The activation.
        mean: Means of the inputs, in the order of `order`.
        std: Standard deviations.
        reach: Where the nodes end, in standard deviations.
        split: Into how many to split each spacing.
        rates: Whether the sums for rates of change are wanted; otherwise there are bounds in their place.
    """
    groups = sorted(_groups(branches, mean, std, reach, split), key=lambda group: group[0].kind)
    for kind, those in groupby(groups, key=lambda group: group[0].kind):
        grids, parts = zip(*those, strict=True)
        tables = [own.table(rates) for own in grids]
        found = [
            _averages(own, table, mean[some] - own.origin, std[some])
            for own, table, some in zip(grids, tables, parts, strict=True)
        ]
        averages, shift, ends = (np.concatenate(arrays, axis=-1) for arrays in zip(*found, strict=True))
        is_whole = all(left.stop == right.start for left, right in pairwise(parts))
        which = slice(parts[0].start, parts[-1].stop) if is_whole else np.r_[parts]
        places = [(own.origin, own.spacing, *own.beyond) for own in grids]
        origin, spacing, *beyond = np.repeat(places, [some.stop - some.start for some in parts], axis=0).T
        mu, s = mean[which] - origin, std[which]
        z = (ends - mu) / s
        density = np.exp(-0.5 * z * z) / SQRT_2PI
        dd, ff, one = (density[0] * left + density[1] * right for left, right in zip(*[iter(beyond)] * 2, strict=True))
        scale = branches.scales[kind] if kind >= 0 else None
        named = dict(zip(tables[0].names, averages, strict=True))
        yield which, _centred(named, shift, (dd, 2 * (ff + one * shift * shift)), mu, s, kind, scale, spacing)


def _groups(branches: Branches, mean: Array, std: Array, reach: float, split: int) -> Iterator[tuple[Grid, slice]]:
    """Yield nodes, and the inputs that share them."""
    octave, cell = _cells(mean, std)
    new = np.flatnonzero((octave[1:] != octave[:-1]) | (cell[1:] != cell[:-1])) + 1
    for start, stop in pairwise([0, *new.tolist(), mean.size]):
        # So far out, the window would be rounded.
        if stop - start >= _ENOUGH and abs(cell[start]) < _FARTHEST:
            own, unit = slice(start, stop), math.ldexp(0.5, int(octave[start]))
            low, high = float((mean[own] - reach * std[own]).min()), float((mean[own] + reach * std[own]).max())
            # Wider than need be, so that other inputs find the same nodes again; but steep functions get large there.
            step = 1 if branches.is_steep else _STEP
            window = step * math.floor(low / unit / step), step * math.ceil(high / unit / step)
            nodes = grid(branches, *window, unit, reach, split)
            if nodes is not None:
                yield nodes, own


def _averages(own: Grid, table: Table, mu: Array, std: Array) -> tuple[Array, Array, Array]:
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


def _centred(
    averages: Mapping[str, Array],
    shift: Array,
    far: tuple[Array, Array],
    mu: Array,
    std: Array,
    kind: int,
    scale: Scale | None,
    spacing: Array,
) -> Sums:
    """Turn averages into sums.

    Args:
        averages: The averages, by what is averaged.
        shift: What phi is counted from in them.
        far: Bounds on what lies beyond the nodes of phi'^2 and y^2.
        mu: Means of the inputs, from the origin.
        std: Standard deviations of the inputs.
        kind: Which rule it is.
        scale: How fast the branch changes, for the trapezoidal rule.
        spacing: Its spacing.
    """
    d, y, yy, dd, ddx, ddxx = (averages[name] for name in ("d", "y", "yy", "dd", "ddx", "ddxx"))
    rates = "ydx" in averages

    def in_z(name: str) -> Array:
        """Return an average with z in place of x."""
        return (averages[f"{name}x"] - mu * averages[name]) / std

    var, lever = yy - y * y, np.sqrt(np.maximum(ddxx - mu * (2 * ddx - mu * dd), 0.0)) / std
    size, spread, slope = np.sqrt(yy), np.sqrt(var), np.sqrt(dd)
    away = np.abs(mu) / std
    if rates:
        dz, ydz = in_z("d"), in_z("yd")
        lean = ydz - y * dz
    else:  # at most
        ydz, lean = size * lever, spread * lever
    natural = [spread, slope, dd, var, spread * lever]
    # z is rounded by about EPS (|mu|/s + |z|), and the density magnifies that by z.
    tail = np.sqrt(yy + 2 * std * np.abs(ydz))
    rounding = [
        size * (away + 3),
        slope + lever * (away + 1),
        slope * lever * away + lever * lever,
        6 * yy + tail * (size * away + tail),
        *([8 * size * (lever + away * slope) + tail * lever * (away + 1)] if rates else []),
    ]
    missed = [EPS * part for part in rounding]
    if kind == CHECKED:
        other_d, other_dd, other_y, other_yy = (averages[f"check_{name}"] for name in ("d", "dd", "y", "yy"))
        found, other = [y, d, dd, var], [other_y, other_d, other_dd, other_yy - other_y**2]
        if rates:
            found.append(lean)
            other.append(in_z("check_yd") - other_y * in_z("check_d"))
        missed = [m + np.abs(a - b) for m, a, b in zip(missed, found, other, strict=True)]
    elif scale is not None:
        # Stein's lemma, E[z y] = s E[y'] and E[z y^2] = 2 s E[y y'], sees what this very rule misses.
        noise = 8 * EPS * (away + 3)
        yz, yyz, yd = in_z("y"), in_z("yy"), averages["yd"]
        stein = np.maximum(np.abs(yz - std * d) - noise * size, 0.0) / (std * slope)
        stein += np.maximum(np.abs(yyz - 2 * (y * yz + std * (yd - y * d))) - noise * yy, 0.0) / (
            2 * std * spread * slope
        )
        coarse = np.abs(averages["check_dd"]) / dd + np.abs(averages["check_yy"]) / yy
        # What chance hides for one input, it does not hide for its neighbours.
        for k in (1, 2, 4):
            coarse[k:] = np.maximum(coarse[k:], coarse[:-k])
        share = trapezoid.missed_by(scale, std, 2 * math.pi * std / spacing, stein, coarse)
        missed = [m + share * part for m, part in zip(missed, natural, strict=False)]
    return Sums(shift + y, d, dd, var, lean, lever * lever, (*missed, 0.0)[:5], far[1], far[0])
