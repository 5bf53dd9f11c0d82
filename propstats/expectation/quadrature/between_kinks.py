"""Gauss's rule on the intervals between the kinks, checked by the rule of lower order."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from propstats.expectation.quadrature.branches import Branches, Scale
from propstats.expectation.quadrature.panels import SQRT_2PI
from propstats.expectation.quadrature.rule import Array, gauss_legendre
from propstats.expectation.quadrature.sums import PROBES, Gaussians, Sums, column, probes

#: Nodes in a panel, and those of the rule it is compared with.
_FINE, _COARSE = 30, 26
NODES = _FINE + _COARSE
MAX_PANELS = 16
#: How wide a panel in z may be, and a panel in x as a multiple of the strip without poles.
_WIDEST, _WIDEST_IN_STRIPS = 11.0, 2.6
#: How many averages are taken.
AVERAGES = 18


def panels_of(scale: Scale, std: Any, width: Any, split: int) -> Any:
    """Return how many panels an interval of z needs on which a branch changes so fast, if each is split."""
    widest = _WIDEST / np.sqrt(1 + 2 * scale.narrow * std * std)
    return np.ceil(split * width / np.minimum(widest, _WIDEST_IN_STRIPS * scale.strip / std))


@cache
def _layout(counts: tuple[int, ...], reach: float) -> tuple[Array, Array, Array, tuple[tuple[int, slice], ...]]:
    """Return nodes as they follow from where the branches end, and their weights.

    Args:
        counts: How many panels there are on each branch.
        reach: Where the first branch begins (at `-reach`) and the last one ends.

    Returns:
        Matrices from the ends of the branches to the nodes, and to the widths that nodes stand for, both of shape
        (branches + 1, n); the weights of both rules and of the probes, shape (n, 3); the branches that have nodes, with
        these, and with the probes on their far side.
    """
    size = NODES * sum(counts) + 2 * PROBES
    places, widths, weights = np.zeros((len(counts) + 1, size)), np.zeros((len(counts) + 1, size)), np.zeros((size, 3))
    where, start = [], PROBES
    for branch, count in enumerate(counts):
        first = start
        for kind, n in enumerate((_FINE, _COARSE)):
            t, w = gauss_legendre(n)
            own = slice(start, start + n * count)
            place = np.concatenate([np.empty(0), *((j + t) / count for j in range(count))])
            places[branch, own], places[branch + 1, own] = 1.0 - place, place
            widths[branch, own], widths[branch + 1, own] = -1.0 / SQRT_2PI, 1.0 / SQRT_2PI
            weights[own, kind] = np.tile(w, count) / max(count, 1)
            start = own.stop
        if count:
            where.append((branch, slice(first, start)))
    # The ends at -reach and at reach are always there.
    far, width = (a / reach for a in probes(reach))
    places[0, :PROBES], places[-1, -PROBES:] = far[::-1], far
    widths[0, :PROBES], widths[-1, -PROBES:] = -width[::-1] / SQRT_2PI, width / SQRT_2PI
    weights[:PROBES, 2] = weights[-PROBES:, 2] = 1.0
    where[0] = where[0][0], slice(0, where[0][1].stop)
    where[-1] = where[-1][0], slice(where[-1][1].start, size)
    return places, widths, weights, tuple(where)


def averages(
    branches: Branches, ends: Array, counts: tuple[int, ...], reach: float, inputs: Gaussians
) -> Sequence[Any]:
    """Integrate over the branches.

    Args:
        branches: The activation.
        ends: Where each branch begins and the last one ends in z, within the reach of the nodes; shape (*batch, ends).
        counts: How many panels to use on each branch.
        reach: How far the nodes reach.
        inputs: The inputs.

    Returns:
        By both rules and beyond the nodes, three times each: E[phi], E[d], E[d^2], E[y^2], E[y d z], E[(d z)^2], for
        y = phi - E[phi] and d = phi', each a float for one input, of shape (batch,) for many.
    """
    places, widths, weights, where = _layout(counts, reach)
    z, p = ends @ places, ends @ widths
    x = column(inputs.std) * z
    x += column(inputs.mean)
    f, d = np.empty_like(x), np.empty_like(x)
    for branch, own in where:
        f[..., own], d[..., own] = branches.parts[branch](x[..., own], *inputs.params)
    f, d = inputs.beyond(branches.whole, x, f, d)
    scratch = np.multiply(z, z, out=x)
    scratch *= -0.5
    p *= np.exp(scratch, out=scratch)
    fp = np.multiply(f, p, out=scratch)
    rows = [fp @ weights]
    y = np.subtract(f, column(fp @ weights[:, 0]), out=f)
    dp = np.multiply(d, p, out=scratch)
    rows += [dp @ weights, (d * dp) @ weights]
    yp = np.multiply(y, p, out=p)
    dz = np.multiply(d, z, out=d)
    rows += [np.multiply(y, yp, out=f) @ weights, np.multiply(yp, dz, out=f) @ weights]
    dzp = np.multiply(dp, z, out=scratch)
    rows.append(np.multiply(dz, dzp, out=f) @ weights)
    if isinstance(inputs.mean, np.ndarray):
        return [numbers for row in rows for numbers in row.T]
    return [number for row in rows for number in row.tolist()]


def sums(averages: Sequence[Any]) -> Sums:
    """Turn the averages into sums, with what the rule may have missed."""
    fine, coarse = averages[::3], averages[1::3]
    missed = tuple(abs(a - b) for a, b in zip(fine[:5], coarse[:5], strict=True))
    mean, d, dd, yy, ydz, dzdz = fine
    return Sums(mean, d, dd, yy, ydz, dzdz, missed, averages[11], averages[8])
