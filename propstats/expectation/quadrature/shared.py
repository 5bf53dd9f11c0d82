"""Many inputs on the same nodes: phi is evaluated once, and only the weights differ from input to input.

Inputs share nodes if their standard deviations are within an octave and their means are not far apart.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature.averages import Grid, averages, centred
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.grid import CELL, MARGIN, grid
from propstats.expectation.quadrature.panels import EPS, SQRT_2PI
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.sums import UNDERFLOW, Sums

#: So many inputs are worth nodes of their own.
_ENOUGH = 24
#: How many cells from 0 means may be: beyond, the window would be rounded.
_FARTHEST = 2.0**20
#: How many octaves from 1 standard deviations may be: beyond, products of phi and the weights underflow.
_OCTAVES = 64
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
    return octave, np.rint(mean / np.ldexp(CELL / 2, octave))


def sums(
    branches: Branches, mean: Array, std: Array, reach: float, rates: bool = True
) -> Iterator[tuple[slice | NDArray[np.intp], Sums]]:
    """Yield some of the inputs, and their sums; there are inputs that share no nodes.

    Args:
        branches: The activation.
        mean: Means of the inputs, in the order of `order`.
        std: Standard deviations.
        reach: Where the nodes end, in standard deviations.
        rates: Whether the sums for rates of change are wanted; otherwise there are bounds in their place.
    """
    groups = list(_groups(branches, mean, std, reach))
    if not groups:
        return
    grids, parts = zip(*groups, strict=True)
    tables = [own.table(rates) for own in grids]
    found = [
        averages(own, table, mean[some] - own.origin, std[some])
        for own, table, some in zip(grids, tables, parts, strict=True)
    ]
    rows, shift, ends = (np.concatenate(arrays, axis=-1) for arrays in zip(*found, strict=True))
    is_whole = all(left.stop == right.start for left, right in pairwise(parts))
    which = slice(parts[0].start, parts[-1].stop) if is_whole else np.r_[parts]
    places = np.array([(own.origin, own.missed, *own.beyond) for own in grids]).T
    origin, missed, *beyond = np.repeat(places, [some.stop - some.start for some in parts], axis=1)
    mu, s = mean[which] - origin, std[which]
    z = (ends - mu) / s
    density = np.exp(-0.5 * z * z) / SQRT_2PI
    dd, ff, one = (density[0] * left + density[1] * right for left, right in zip(*[iter(beyond)] * 2, strict=True))
    ours = centred(dict(zip(tables[0].names, rows, strict=True)), mu, s)
    y, d, slopes, var, lean = ours.sums
    lost = UNDERFLOW / s
    errors = tuple(EPS * a + missed * b + lost for a, b in zip(ours.rounding, ours.natural, strict=True))
    # (f - shift)^2 is at most 2 (f^2 + shift^2).
    yield which, Sums(shift + y, d, slopes, var, lean, ours.dzdz, errors, 2 * (ff + one * shift * shift), dd)


def _groups(branches: Branches, mean: Array, std: Array, reach: float) -> Iterator[tuple[Grid, slice]]:
    """Yield nodes, and the inputs that share them."""
    octave, cell = _cells(mean, std)
    new = np.flatnonzero((octave[1:] != octave[:-1]) | (cell[1:] != cell[:-1])) + 1
    for start, stop in pairwise([0, *new.tolist(), mean.size]):
        if stop - start >= _ENOUGH and abs(cell[start]) < _FARTHEST and abs(octave[start]) < _OCTAVES:
            own, unit = slice(start, stop), math.ldexp(0.5, int(octave[start]))
            far = (reach + MARGIN) * std[own]
            low, high = float((mean[own] - far).min()), float((mean[own] + far).max())
            # Wider than need be, so that other inputs find the same nodes again; but steep functions get large there.
            step = 1 if branches.is_steep else _STEP
            window = step * math.floor(low / unit / step), step * math.ceil(high / unit / step)
            nodes = grid(branches, *window, CELL * int(cell[start]), unit, reach)
            if nodes is not None:
                yield nodes, own
