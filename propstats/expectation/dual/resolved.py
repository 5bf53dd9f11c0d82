"""A function of a standard normal variable, on panels that resolve it."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propstats.expectation.dual.panels import (
    GRID,
    OUTER,
    Array,
    Function,
    both_sides,
    hermite_rule,
    many_hermite,
    panel_nodes,
    rule,
    to_legendre,
)

NODES = 20
_EPS = float(np.finfo(float).eps)
#: What is left out in the tails, relative to the largest value beside the root of the density.
_NEGLIGIBLE = 1e-16
#: The last two Legendre coefficients of a resolved panel, relative to the same. Integrals are exact to twice that
#: order, so that their error is far smaller.
_RESOLVED = 1e-12
_MAX_PANELS = 400
_NOWHERE = np.empty(0)


@dataclass(frozen=True, eq=False)
class Resolved:
    """A function f of a standard normal z, at the nodes of panels on which it is as good as a polynomial.

    Args:
        f: The function, elementwise.
        kinks: Where it is not smooth.
        marks: The kinks, and the ends of all panels that are not on the plain grid, with their neighbours.
        edges: The ends of all panels.
        nodes: How many nodes each panel has.
        values: f at the nodes, shape (panels, nodes).
        noise: The rounding of f, in the same sense as its norm.
        is_rough: Whether there are too few panels: f has more turns than can be followed.
        mirror: The function g of which f is g(-z), if it was made so.
    """

    f: Function
    kinks: Array
    marks: Array
    edges: tuple[float, ...]
    nodes: int
    values: Array
    noise: float
    is_rough: bool = False
    mirror: "Resolved | None" = None

    @property
    def reach(self) -> float:
        """Where f is cut off."""
        return max(-self.edges[0], self.edges[-1])

    @cached_property
    def norm(self) -> float:
        """The root of `E[f^2]`."""
        _, weights, root = panel_nodes(self.edges, self.nodes)
        with np.errstate(all="ignore"):
            return math.sqrt(float((self.values.ravel() * root) ** 2 @ weights))

    @cached_property
    def hermite(self) -> Array:
        """The coefficients `E[f h_n]` in orthonormal Hermite polynomials."""
        with np.errstate(all="ignore"):
            return np.asarray(hermite_rule(self.edges, self.nodes) @ self.values.ravel())

    @cached_property
    def many_hermite(self) -> Array:
        """More of them, where these leave too much."""
        with np.errstate(all="ignore"):
            return many_hermite(self.f, self.edges, self.nodes)

    def rest(self, coefficients: Array) -> float:
        """Return what a series leaves out: `E[f^2]` less the squares, not below its own rounding."""
        with np.errstate(all="ignore"):
            return max(self.norm**2 - float(coefficients @ coefficients), 2 * _EPS * self.norm**2)

    @cached_property
    def mirrored(self) -> "Resolved":
        """The function f(-z)."""
        f, edges = self.f, tuple(-edge for edge in reversed(self.edges))
        values = self.values[::-1, ::-1]
        return Resolved(
            lambda z: f(-z), -self.kinks, -self.marks, edges, self.nodes, values, self.noise, self.is_rough, self
        )

    def given(self, mean: Array, std: Array, moved: Array) -> tuple[Array, Array]:
        """Return `E[f(y)]` for `y ~ N(mean, std^2)`, and a bound on its rounding; arrays of shape (n).

        Args:
            mean: Means of y.
            std: Standard deviations of y, positive and good to some ulp.
            moved: How far rounding may have moved the means or the arguments of f.
        """
        x, w = rule(self.nodes)
        grid = both_sides(GRID)
        marks = np.clip((self.marks - mean[:, None]) / std[:, None], grid[0], grid[-1])
        edges = np.sort(np.concatenate([np.broadcast_to(grid, (mean.size, grid.size)), marks], axis=1), axis=1)
        width = np.diff(edges)[:, :, None]
        y = edges[:, :-1, None] + width * x
        with np.errstate(all="ignore"):
            values = self.f(mean[:, None, None] + std[:, None, None] * y) * np.exp(-0.5 * y * y)
            values *= width * w / math.sqrt(2 * math.pi)
            value, size = values.sum(axis=(1, 2)), np.abs(values).sum(axis=(1, 2))
            # The derivatives in the mean and in log std are E[f y]/std and E[f (y^2 - 1)].
            by_mean, by_std = (np.abs((values * weight).sum(axis=(1, 2))) for weight in (y, y * y - 1.0))
            return np.asarray(value), np.asarray(by_mean / std * moved + 8 * _EPS * (by_std + size))


def resolve(f: Function, kinks: Array, shift: float = 0.0, nodes: int = NODES, probes: Array = _NOWHERE) -> Resolved:
    """Cut the line into panels on which f is resolved.

    Args:
        f: A function of z, elementwise.
        kinks: Where it is not smooth.
        shift: What z is added to before f rounds it: f(z) = phi(s (shift + z)).
        nodes: How many Gauss-Legendre nodes a panel has.
        probes: Points at which the panels must have it right, too: where it may do all it does between two nodes.

    >>> resolve(np.tanh, np.empty(0)).norm ** 2  # E[tanh^2]
    0.3942944903978...
    """
    kinks = kinks[np.abs(kinks) < OUTER[-1]]
    marks, edges = kinks, np.unique(np.concatenate([both_sides(GRID), kinks]))
    apart = np.abs(np.subtract.outer(probes, kinks)).min(axis=1, initial=np.inf)
    probes = probes[(np.abs(probes) < GRID[-1]) & (apart > 1e-12 * (1 + abs(shift)))]
    with np.errstate(all="ignore"):
        probed = np.asarray(f(probes), dtype=float)
        largest = float(np.max(np.abs(probed) * np.exp(-0.25 * probes**2), initial=0.0)) / (2 * math.pi) ** 0.25
    while True:
        z, weights, root = panel_nodes(tuple(edges.tolist()), nodes)
        with np.errstate(all="ignore"):
            values = np.asarray(f(z), dtype=float).reshape(-1, nodes)
            size = np.abs(values) * root.reshape(-1, nodes)
            scale = max(float(size.max()), largest)
            noise = _noise(edges, values, shift)
            coefficients = values @ to_legendre(nodes)
            last = np.abs(coefficients[:, -2:]).max(axis=1)
            _add_missed(last, edges, coefficients, probes, probed)
            weight = _density_root(edges) * np.sqrt(np.diff(edges))
            poor = (last * weight > _RESOLVED * scale) & (last > noise) & (np.diff(edges) > 1e-12 * (1 + abs(shift)))
            wider = _wider(edges, (size[0, 0], size[-1, -1]), _NEGLIGIBLE * scale)
        is_rough = bool(edges.size + poor.sum() > _MAX_PANELS)
        if (not poor.any() and not wider) or is_rough:
            if max(size[0, 0], size[-1, -1]) > _NEGLIGIBLE * scale:
                values = np.full_like(values, np.nan)  # most of the integral of f^2 is elsewhere
            mass = (weights * root * root).reshape(-1, nodes).sum(axis=1)
            with np.errstate(all="ignore"):
                total = math.sqrt(float(noise**2 @ mass))
            return Resolved(f, kinks, np.unique(marks), tuple(edges.tolist()), nodes, values, total, is_rough)
        middles = (edges[:-1] + edges[1:])[poor] / 2
        marks = np.concatenate([marks, edges[:-1][poor], middles, edges[1:][poor]])
        edges = np.unique(np.concatenate([edges, middles, wider]))


def _add_missed(last: Array, edges: Array, coefficients: Array, probes: Array, probed: Array) -> None:
    """Raise what panels are off by to what they are off by at the probes."""
    from numpy.polynomial.legendre import legvander

    panel = np.searchsorted(edges, probes) - 1
    inside = 2 * (probes - edges[panel]) / (edges[panel + 1] - edges[panel]) - 1
    found = (legvander(inside, coefficients.shape[1] - 1) * coefficients[panel]).sum(axis=1)
    # Far more than rounding; what is missed between nodes is not small.
    missed = np.abs(found - probed)
    np.maximum.at(last, panel, np.where(missed > 1e-9 * np.abs(probed), missed, 0.0))


def _density_root(edges: Array) -> Array:
    """Return the root of the density where each panel is nearest to 0."""
    near = np.maximum(np.maximum(edges[:-1], -edges[1:]), 0.0)
    return np.asarray(np.exp(-0.25 * near * near) / (2 * math.pi) ** 0.25)


def _noise(edges: Array, values: Array, shift: float) -> Array:
    """Bound the rounding of f on each panel: its own, and that of its argument where f is steep."""
    far = np.maximum(np.abs(edges[:-1]), np.abs(edges[1:])) + abs(shift)
    spread = values.max(axis=1) - values.min(axis=1)
    return np.asarray(4 * _EPS * (np.abs(values).max(axis=1) + spread * far / np.diff(edges)))


def _wider(edges: Array, sizes: tuple[float, float], negligible: float) -> list[float]:
    """Return new ends where f outgrows the density."""
    found = []
    for side, end, size in ((-1.0, -edges[0], sizes[0]), (1.0, edges[-1], sizes[1])):
        if size > negligible and end < OUTER[-1]:
            found.append(side * min(z for z in OUTER if z > end))
    return found
