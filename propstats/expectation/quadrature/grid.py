"""Nodes in x that many inputs share, as few as resolve what is averaged."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from propstats.expectation.quadrature.averages import Grid, compare
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.charts import Inputs, Nodes, by_gauss, charts, evenly
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.sums import probes

#: The width of a cell of means, in the smallest standard deviations of its inputs.
CELL = 10
#: How much farther windows reach than their inputs, in the same.
MARGIN = 1
#: What is tried: by how much the nodes are finer than need be, and whether poles may have coordinates of their own.
_TRIES = ((1.0, True), (1.0, False), (1.6, True))
#: How much finer the nodes are that they are compared with.
_FINER = 1.5
#: How far nodes may be off, relative to the size of what is averaged; and how much more than what a few inputs see.
_GOOD, _CAUTION = 6e-14, 3.0


@lru_cache(maxsize=64)
def grid(branches: Branches, low: int, high: int, centre: int, unit: float, reach: float) -> Grid | None:
    """Lay out nodes; None if phi is constant there, or they would be too many.

    They are compared with finer ones for the narrowest and the widest inputs, in the middle of their cell and at its
    ends: it is there that nodes do worst.

    Args:
        branches: The activation.
        low: Where the window begins, in units.
        high: Where it ends.
        centre: The middle of the cell of the means, in units.
        unit: The smallest standard deviation; the largest is at most twice that.
        reach: How many standard deviations around each mean lie in the window.
    """
    start, stop = low * unit, high * unit
    origin = 0.0 if start <= 0.0 <= stop else (start + stop) / 2
    kinks = [kink.at for kink in branches.kinks]
    ends = [end - origin for end in (start, *[kink for kink in kinks if start < kink < stop], stop)]
    first = sum(kink <= start for kink in kinks)
    if len(ends) == 2 and branches.degrees[first] == 0.0:
        return None
    middle, half = centre * unit - origin, CELL / 2 * unit
    inputs = Inputs(unit, middle - half, middle + half)
    # What the nodes are tried on lies well within the window, too: there is no tail that one of them cuts off.
    margin = reach + MARGIN
    std = np.repeat([unit, min(2 * unit, (ends[-1] - ends[0]) / 2 / margin)], 3)
    mu = np.clip(middle + half * np.tile([-1.0, 0.0, 1.0], 2), ends[0] + margin * std, ends[-1] - margin * std)
    rate = max(float(scale.rate) for scale in branches.scales)
    for factor, has_charts in _TRIES:
        laid = (_nodes(branches, first, ends, origin, inputs, f, has_charts) for f in (factor, _FINER * factor))
        own, other = (None if nodes is None else _evaluated(branches, first, nodes, origin) for nodes in laid)
        if own and other and (missed := _CAUTION * compare(own, other, mu, std, rate)) <= _GOOD:
            beyond = _beyond(branches, own, (start, stop), unit, reach)
            return Grid(own.origin, own.x, own.f, own.d, own.weights, reach, beyond, missed)
    return None


def _nodes(
    branches: Branches, first: int, ends: list[float], origin: float, inputs: Inputs, finer: float, has_charts: bool
) -> list[Nodes] | None:
    """Return nodes on each branch, in whatever coordinate they are fewest; None if they are too many."""
    rule = evenly if len(ends) == 2 else by_gauss
    found = []
    for branch, (low, high) in enumerate(pairwise(ends), first):
        places = list(charts(branches, branch, low, high, origin))[: None if has_charts else 1]
        laid = [rule(chart, branches.scales[branch], (low, high), inputs, finer) for chart in places]
        possible = [nodes for nodes in laid if nodes is not None]
        if not possible:
            return None
        found.append(min(possible, key=lambda nodes: nodes[0].size))
    return found


def _evaluated(branches: Branches, first: int, pieces: list[Nodes], origin: float) -> Grid:
    """Evaluate phi and phi' at the nodes on each branch from the first on; every input uses all of them."""
    values = []
    for part, (x, _) in zip(branches.parts[first:], pieces, strict=False):
        values.append([g + 0.0 * x for g in part(origin + x, *branches.params.values())])
    x, weights = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    f, d = (np.concatenate(arrays) for arrays in zip(*values, strict=True))
    return Grid(origin, x, f, d, weights, math.inf)


def _beyond(branches: Branches, own: Grid, window: tuple[float, float], unit: float, reach: float) -> tuple[float, ...]:
    """Return the bounds that `Grid.beyond` is.

    The inputs are at least `reach` standard deviations from the nodes that they do not use. There, phi'^2 and phi^2 are
    no more than on their half of the nodes, or further out what a few probes see.
    """
    far, width = probes(0.0)
    # What stands for so much of x, in units, stands for no more of z; the density falls at least as if s were 2 units.
    fall = width * np.exp(-0.5 * (far / 2) * (far / 2 + 2 * reach))
    half = own.x.size // 2
    found = []
    for x, part in ((window[0] - unit * far, slice(half)), (window[1] + unit * far, slice(half, None))):
        f, d = (g + 0.0 * x for g in branches.whole(x, *branches.params.values()))
        found.append([_bound(d, own.d[part], fall), _bound(f, own.f[part], fall), fall.sum() + fall[0]])
    return tuple(float(number) for pair in zip(*found, strict=True) for number in pair)


def _bound(far: Array, inside: Array, fall: Array) -> float:
    return float(far * far @ fall + (inside**2).max() * fall[0])
