"""Kinks that nobody knows of, where no node looks: closer to the end of a panel than any node of either rule.

Both rules miss the same of such a kink, and agree. Of unsettled formulas, panels are looked at there once more.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import EPS, FINE, Panels
from propstats.expectation.quadrature.rule import Array, gauss_legendre, interpolation_at

#: Where to look, in widths from the ends of a panel.
_PLACES = 10.0 ** -np.arange(3.0, 16.0)
#: What the polynomial through the nodes may be off there by rounding, relative to the largest value on the panel.
_ROUNDING = 1e-13


@cache
def _matrix() -> tuple[Array, Array]:
    """Return where to look, and the matrix from values at the nodes to those of their polynomial there."""
    places = np.concatenate([_PLACES, 1.0 - _PLACES])
    return places, interpolation_at(FINE, places)


def hidden(panels: Panels, branches: Branches, mean: float, std: float, total: Array) -> NDArray[np.bool_]:
    """Return which panels may hide a kink that matters.

    Args:
        panels: Panels on which both rules agree.
        branches: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input.
        total: E[|phi|], E[phi^2], E[|phi'|] and E[phi'^2], which say what matters.
    """
    places, matrix = _matrix()
    x = mean + std * (panels.left[:, None] + panels.width[:, None] * places)
    found = branches.whole(x, *branches.params.values())
    mass = panels.density[:, :FINE].max(axis=1) * gauss_legendre(FINE)[0][0]
    result = np.zeros(panels.width.size, dtype=bool)
    for values, nodes, sizes in zip(found, (panels.f, panels.d), (total[:2], total[2:]), strict=True):
        inside = nodes[:, :FINE]
        largest = np.abs(inside).max(axis=1)
        missed = np.abs(values - inside @ matrix).max(axis=1) - _ROUNDING * largest
        result |= (mass * missed > EPS / 4 * sizes[0]) | (2 * mass * missed * largest > EPS / 4 * sizes[1])
    return result
