"""Panels in z, for `x = mean + std z`, with an activation at their nodes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.rule import Array, gauss_legendre

EPS = float(np.finfo(float).eps)
SQRT_2PI = math.sqrt(2 * math.pi)
#: Nodes in a panel, and those of the rule it is compared with.
FINE, COARSE = 24, 16
#: The density underflows here: nothing is cut off.
Z_MAX = 38.0
_Z_GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.5, 12.0, 14.0, 16.0, 20.0, 26.0, 32.0, Z_MAX)


def breakpoints(
    mean: float, std: float, kinks: tuple[float, ...] = (), centres: tuple[tuple[float, float], ...] = ()
) -> Array:
    """Return where to split the integral over z.

    At the kinks; on a grid that resolves the density; and, if the input is wide, on geometric grids around the points
    where the activation changes on a shorter scale than the input does.

    Args:
        mean: Mean of the input.
        std: Standard deviation of the input.
        kinks: Where the function is not smooth.
        centres: Where something else happens, each with the length on which it does.

    >>> breakpoints(0.0, 1.0, (0.5,))[18:21].tolist()
    [0.5, 1.0, 2.0]
    """
    grid = np.array(_Z_GRID)
    features = [np.asarray(kinks, dtype=float)]
    for centre, length in centres:
        if std > length:
            powers = length * 2.0 ** np.arange(-3, math.ceil(math.log2(std) - math.log2(length)) + 4)
            features += [centre + powers, centre - powers, np.array([centre])]
    split = (np.concatenate(features) - mean) / std
    split = split[np.abs(split) < Z_MAX]
    return np.unique(np.concatenate([grid, -grid, split]))


@dataclass(frozen=True, slots=True)
class Panels:
    """phi and phi' at the nodes of panels, in ascending order: FINE nodes of one rule, then COARSE of another.

    Args:
        left: Left ends, shape (panels,).
        width: Widths, shape (panels,).
        z: Nodes, shape (panels, FINE + COARSE).
        f: phi at the nodes.
        d: phi' at the nodes.
    """

    left: Array
    width: Array
    z: Array
    f: Array
    d: Array

    @property
    def density(self) -> Array:
        """The Gaussian density at the nodes, times the width of the panel."""
        return np.asarray(np.exp(-0.5 * self.z * self.z) * (self.width[:, None] / SQRT_2PI))

    def keep(self, which: NDArray[np.bool_]) -> "Panels":
        """Return some of the panels."""
        return Panels(self.left[which], self.width[which], self.z[which], self.f[which], self.d[which])

    def join(self, other: "Panels") -> "Panels":
        """Return the panels of both, in order."""
        left = np.concatenate([self.left, other.left])
        order = np.argsort(left, kind="stable")
        rest = (np.concatenate([getattr(p, name) for p in (self, other)])[order] for name in ("width", "z", "f", "d"))
        return Panels(left[order], *rest)


def evaluate_on(branches: Branches, mean: float, std: float, left: Array, width: Array) -> Panels:
    """Evaluate phi and phi' on panels that have no kink inside, each by the branch that it lies in.

    Next to a kink a rounded x may lie on its wrong side; the panel does not.
    """
    nodes = np.concatenate([gauss_legendre(FINE)[0], gauss_legendre(COARSE)[0]])
    z = left[:, None] + width[:, None] * nodes
    x = mean + std * z
    f, d = np.empty_like(x), np.empty_like(x)
    ends = np.array([(kink.at - mean) / std for kink in branches.kinks])
    branch = np.searchsorted(ends, left + width / 2)
    with np.errstate(all="ignore"):
        for i in np.unique(branch).tolist():
            f[branch == i], d[branch == i] = branches.parts[i](x[branch == i], *branches.params.values())
    return Panels(left, width, z, f, d)
