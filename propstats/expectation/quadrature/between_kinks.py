"""Gauss's rule on the intervals between the kinks, checked by the rule of lower order where that is needed."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import SQRT_2PI
from propstats.expectation.quadrature.rule import Array, gauss_legendre
from propstats.expectation.quadrature.scales import Scale
from propstats.expectation.quadrature.sums import PROBES, Gaussians, Sums, column, most, probes, root

#: Nodes in a panel, and those of the rule it is compared with.
_FINE, _COARSE = 30, 26
MAX_PANELS = 16
#: How wide a panel in z may be, and a panel in x as a multiple of the strip without poles.
_WIDEST, _WIDEST_IN_STRIPS = 11.0, 2.6
#: Where phi is a polynomial of at most this degree, its square times the density is integrated to rounding on any
#: panel that is no wider than that: there is nothing to compare.
EXACT_DEGREE = 2.0
#: How many averages are taken.
AVERAGES = 18


def panels_of(scale: Scale, std: Any, width: Any, split: int) -> Any:
    """Return how many panels an interval of z needs on which a branch changes so fast, if each is split."""
    narrowest = most(root(1 + 2 * scale.narrow * std * std) / _WIDEST, std / scale.strip / _WIDEST_IN_STRIPS)
    return -(-split * width * narrowest // 1.0)


def nodes(branches: Branches, counts: tuple[int, ...]) -> int:
    """Return how many nodes so many panels on each branch have."""
    return 2 * PROBES + sum(
        count * (_FINE + _COARSE * (degree > EXACT_DEGREE))
        for count, degree in zip(counts, branches.degrees, strict=True)
    )


@cache
def rules(count: int, check: bool) -> tuple[Array, Array]:
    """Return the nodes of panels that share [0, 1], and their weights: in the rule, in the other one, and for probes.

    Args:
        count: How many panels there are.
        check: Whether to compare two rules.
    """
    places, weights = [], []
    for n, kinds in ((_FINE, [0]), (_COARSE, [1])) if check else ((_FINE, [0, 1]),):
        t, w = gauss_legendre(n)
        places += [(j + t) / count for j in range(count)]
        weights.append(np.zeros((n * count, 3)))
        weights[-1][:, kinds] = np.tile(w, count)[:, None] / count
    return np.concatenate(places), np.concatenate(weights)


class _Layout(NamedTuple):
    """Where the nodes are, as it follows from where the branches end.

    Args:
        places: From the ends of the branches to the nodes, and to the widths that these stand for, over the root of
            2 pi; shape (branches + 1, 2 n).
        weights: The weights of the rule, of the one it is compared with, and of the probes, shape (n, 3).
        own: The branches that have nodes, with these, and with the probes on their far side.
        is_flat: Whether phi is constant on each of these.
    """

    places: Array
    weights: Array
    own: tuple[tuple[int, slice], ...]
    is_flat: bool


@cache
def _layout(counts: tuple[int, ...], degrees: tuple[float, ...], reach: float) -> _Layout:
    """Lay out the nodes.

    Args:
        counts: How many panels there are on each branch.
        degrees: The degrees of the branches, as polynomials.
        reach: Where the first branch begins (at `-reach`) and the last one ends.
    """
    checked = [degree > EXACT_DEGREE for degree in degrees]
    size = 2 * PROBES + sum(count * (_FINE + _COARSE * check) for count, check in zip(counts, checked, strict=True))
    places, widths, weights = np.zeros((len(counts) + 1, size)), np.zeros((len(counts) + 1, size)), np.zeros((size, 3))
    own, start = [], PROBES
    for branch, (count, check) in enumerate(zip(counts, checked, strict=True)):
        if not count:
            continue
        place, weight = rules(count, check)
        panels = slice(start, start + place.size)
        places[branch, panels], places[branch + 1, panels] = 1.0 - place, place
        widths[branch, panels], widths[branch + 1, panels] = -1.0 / SQRT_2PI, 1.0 / SQRT_2PI
        weights[panels] = weight
        own.append((branch, panels))
        start = panels.stop
    # The ends at -reach and at reach are always there.
    far, width = (a / reach for a in probes(reach))
    places[0, :PROBES], places[-1, -PROBES:] = far[::-1], far
    widths[0, :PROBES], widths[-1, -PROBES:] = -width[::-1] / SQRT_2PI, width / SQRT_2PI
    weights[:PROBES, 2] = weights[-PROBES:, 2] = 1.0
    own[0] = own[0][0], slice(0, own[0][1].stop)
    own[-1] = own[-1][0], slice(own[-1][1].start, size)
    is_flat = all(degrees[branch] == 0.0 for branch, _ in own)
    return _Layout(np.concatenate([places, widths], axis=1), weights, tuple(own), is_flat)


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
    layout = _layout(counts, branches.degrees, reach)
    both = ends @ layout.places
    size = len(layout.weights)
    z, p = both[..., :size], both[..., size:]
    is_kinked = any(inputs.kinked_beyond)
    is_flat = layout.is_flat and not is_kinked
    # What is constant may be asked for at any place, and its slope need not be asked for at all.
    x = z if is_flat else column(inputs.std) * z + column(inputs.mean)
    f = np.empty_like(z)
    d = f if is_flat else np.empty_like(z)
    for branch, own in layout.own:
        f[..., own], slope = branches.parts[branch](x[..., own], *inputs.params)
        if not is_flat:
            d[..., own] = slope
    if is_kinked:
        f, d = inputs.beyond(branches.whole, x, f, d)
    density = z * z
    density *= -0.5
    p *= np.exp(density, out=density)
    means = np.multiply(f, p, out=density) @ layout.weights
    y = np.subtract(f, means[..., :1], out=f)
    if is_flat:
        found: Array = np.zeros((5, *means.shape))
        found[2] = np.multiply(y, np.multiply(y, p, out=p), out=p) @ layout.weights
    else:
        # One product of matrices for all that is averaged.
        rows = np.empty((5, *p.shape))
        dp = np.multiply(d, p, out=rows[0])
        np.multiply(d, dp, out=rows[1])
        dz = np.multiply(d, z, out=d)
        np.multiply(y, np.multiply(dz, p, out=density), out=rows[3])
        dz *= dz
        np.multiply(dz, p, out=rows[4])
        np.multiply(y, np.multiply(y, p, out=p), out=rows[2])
        found = rows @ layout.weights
    if isinstance(inputs.mean, np.ndarray):
        return [*means.T, *(numbers for row in found for numbers in row.T)]
    return [*means.tolist(), *found.ravel().tolist()]


def sums(averages: Sequence[Any]) -> Sums:
    """Turn the averages into sums, with what the rule may have missed."""
    fine, coarse = averages[::3], averages[1::3]
    mean, d, dd, yy, ydz, dzdz = fine
    missed = tuple(abs(a - b) for a, b in zip(fine[:5], coarse[:5], strict=True))
    return Sums(mean, d, dd, yy, ydz, dzdz, missed, averages[11], averages[8])
