"""Gauss-Legendre panels on the line of a standard normal variable, and Hermite coefficients on them."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

#: Where panels end: density and Hermite functions up to `TERMS` are as good as polynomials in between; for four times
#: as many, each is cut in two.
GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.5, 7.0, 8.5, 10.5, 13.0)
#: Where panels end for functions that grow; the density underflows at the last one.
OUTER = (16.0, 20.0, 26.0, 32.0, 38.0)
#: How many Hermite coefficients are computed first, and how many where these leave too much.
TERMS = 256
MORE_TERMS = 1024


def both_sides(half: tuple[float, ...]) -> Array:
    """Return a grid that starts at 0 together with its mirror image."""
    return np.concatenate([np.negative(half[:0:-1]), half])


@lru_cache(maxsize=8)
def rule(nodes: int) -> tuple[Array, Array]:
    """Return the nodes and weights of Gauss-Legendre on [0, 1]."""
    from numpy.polynomial.legendre import leggauss

    x, w = leggauss(nodes)
    return (x + 1) / 2, w / 2


@lru_cache(maxsize=8)
def to_legendre(nodes: int) -> Array:
    """Return the matrix that turns values at the nodes (from the left) into Legendre coefficients.

    >>> x, _ = rule(4)
    >>> abs(x @ to_legendre(4)).round(12).tolist()  # x = 1/2 + (2 x - 1)/2
    [0.5, 0.5, 0.0, 0.0]
    """
    from numpy.polynomial.legendre import legvander

    # Not from the weights: their rounding would add up at the ends of the panel.
    return np.asarray(np.linalg.inv(legvander(2 * rule(nodes)[0] - 1, nodes - 1)).T, dtype=np.float64)


@lru_cache(maxsize=32)
def panel_nodes(edges: tuple[float, ...], nodes: int) -> tuple[Array, Array, Array]:
    """Return all nodes and weights of the panels between edges, and the root of the density at the nodes."""
    x, w = rule(nodes)
    ends = np.array(edges)
    width = np.diff(ends)[:, None]
    z = (ends[:-1, None] + width * x).ravel()
    return z, (width * w).ravel(), np.exp(-0.25 * z * z) / (2 * math.pi) ** 0.25


@lru_cache(maxsize=8)
def hermite_rule(edges: tuple[float, ...], nodes: int) -> Array:
    """Return what turns values of f at the nodes into `E[f h_n]`, h_n orthonormal Hermite; shape (TERMS, nodes).

    >>> edges = tuple(both_sides(GRID).tolist())
    >>> values = panel_nodes(edges, 20)[0] ** 2  # z^2 = 1 + sqrt(2) h_2
    >>> abs(hermite_rule(edges, 20) @ values)[:4].round(12).tolist()
    [1.0, 0.0, 1.414213562373, 0.0]
    """
    z, weights, root = panel_nodes(edges, nodes)
    found = np.array(list(_hermite_functions(z, root, TERMS)))
    found *= root * weights
    return found


def many_hermite(f: Function, edges: tuple[float, ...], nodes: int) -> Array:
    """Return the first `MORE_TERMS` coefficients `E[f h_n]`."""
    middles = np.add(edges[:-1], edges[1:]) / 2
    z, weights, root = panel_nodes(tuple(np.sort(np.concatenate([edges, middles])).tolist()), nodes)
    weighted = f(z) * (root * weights)
    return np.array([weighted @ h for h in _hermite_functions(z, root, MORE_TERMS)])


def _hermite_functions(z: Array, root: Array, terms: int) -> Iterator[Array]:
    """Yield `h_n` times the root of the density, which neither overflows nor loses digits where it oscillates.

    By the recurrence `sqrt(n + 1) h_{n+1} = z h_n - sqrt(n) h_{n-1}`.
    """
    before, here = np.zeros_like(z), root
    for n in range(terms):
        yield here
        before, here = here, z * here * (1 / math.sqrt(n + 1)) - before * math.sqrt(n / (n + 1))
