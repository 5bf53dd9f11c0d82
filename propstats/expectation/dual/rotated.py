"""Expectations of two strongly correlated Gaussians, from their sum and their difference.

`a = (u + v)/sqrt 2` and `b = (u - v)/sqrt 2` are independent, of variances 1 + rho and 1 - rho. For a given b the kinks
of f(u) and g(v) lie at known places in a, so that their product can be integrated over a to rounding. What is left is
smooth in b, except where kinks of f and g meet, and is read off from polynomials: the same ones for all correlations.
"""

import math
from collections.abc import Callable

import numpy as np

from propstats.expectation.dual.panels import GRID, OUTER, Array, both_sides, rule, to_legendre
from propstats.expectation.dual.resolved import Resolved

#: In standard deviations of b and of a; the last one cuts off 1e-20.
_B_GRID = (0.0, 2.25, 5.0, 9.4)
_A_GRID = (0.0, 1.5, 3.0, 4.5, 6.5, 9.4)
_ROOT2 = math.sqrt(2.0)
#: What the last two Legendre polynomials of a panel in b add to the integral, relative to all of it.
_RESOLVED = 2e-15
#: How much more the polynomials may be off at the ends of a panel, where they are worst and it matters least.
_CORNER = 500.0
_MAX_PANELS = 400
#: Below this standard deviation of b, few functions are so steep that half the nodes in b would not do.
_NARROW = 0.02
#: How many points are evaluated at once: what stays in the cache.
_CHUNK = 1 << 15
#: For the product of the density and a polynomial.
_MASS_NODES = 20

#: What is averaged, as a function of f(u) and g(v).
Combine = Callable[[Array, Array], Array]


def rotated(
    f: Resolved, g: Resolved, common: Array, own: Array, *, combine: Combine = np.multiply, nodes: int = 16
) -> Array:
    """Return `E[combine(f(u), g(v))]` for standard normal u and v of correlation `common^2 = 1 - own^2`.

    Args:
        f: The first function.
        g: The second function; if it is the first itself, combine must be symmetric, and if it is its mirror
            image, a product.
        common: Roots of the correlations, which must not be negative, shape (n).
        own: Roots of one minus the correlations: given beside them, as they may be tiny.
        combine: What is averaged.
        nodes: How many Gauss-Legendre nodes a panel has.

    >>> from propstats.expectation.dual.resolved import resolve
    >>> relu = resolve(lambda z: np.maximum(z, 0.0), np.zeros(1))
    >>> rho = np.array([0.96, 1.0])
    >>> rotated(relu, relu, np.sqrt(rho), np.sqrt(1 - rho)).round(9).tolist()  # Cho & Saul 2009
    [0.481202..., 0.5]
    """
    total = np.zeros(common.shape)
    still = own == 0.0
    if still.any():
        total[still] = _over_a(f, g, common[still], np.zeros(1), combine, nodes)[:, 0]
    if not still.all():
        total[~still] = _over_b(f, g, common[~still], own[~still], combine, nodes)
    return total


def _over_b(f: Resolved, g: Resolved, common: Array, own: Array, combine: Combine, nodes: int) -> Array:
    """Integrate over b, whose panels are halved until polynomials follow what the integral over a left."""
    largest = float(own.max())
    half = _half(_B_GRID, f, g)
    grid = both_sides(half)
    meet = np.subtract.outer(f.kinks, g.kinks).ravel() / _ROOT2
    edges = np.unique(np.concatenate([largest * grid, meet[np.abs(meet) < largest * half[-1]]]))
    twins = g is f
    if twins:
        edges = edges[edges >= 0.0]  # b and -b exchange u and v
    left, right = edges[:-1], edges[1:]
    order = nodes if largest > _NARROW else nodes // 2
    x = np.concatenate([rule(order)[0], [0.0, 1.0]])
    basis, signs = to_legendre(order), (-1.0) ** np.arange(order)
    total, size = np.zeros(own.shape), np.zeros(own.shape)
    # The rounding of a product of f and g, or of the square of their difference.
    noise = f.noise * math.sqrt(g.norm / f.norm) + g.noise * math.sqrt(f.norm / g.norm) if f.norm and g.norm else 0.0
    count = 0
    while left.size:
        count += left.size
        b = left[:, None] + (right - left)[:, None] * x
        inner = _over_a(f, g, common, b.ravel(), combine, nodes).reshape(own.size, left.size, order + 2)
        coefficients = inner[:, :, :-2] @ basis
        masses = _masses(left, right, own, grid, order)
        panels = (coefficients * masses).sum(axis=2)
        scale = size + np.abs(panels).sum(axis=1)
        last = np.abs(coefficients[:, :, -2:] * masses[:, :, -2:]).sum(axis=2)
        allowed = np.maximum(_RESOLVED * scale, noise * np.sqrt(scale))[:, None]
        # A corner at an end that is narrower than the gap to the first node shows at the end itself.
        corner = np.abs(coefficients @ signs - inner[:, :, -2]) + np.abs(coefficients.sum(axis=2) - inner[:, :, -1])
        poor = ((last > allowed) | (corner * masses[:, :, 0] > _CORNER * allowed)).any(axis=0) & (count < _MAX_PANELS)
        total += panels[:, ~poor].sum(axis=1)
        size += np.abs(panels[:, ~poor]).sum(axis=1)
        middle = (left + right)[poor] / 2
        left, right = np.concatenate([left[poor], middle]), np.concatenate([middle, right[poor]])
    return 2 * total if twins else total


def _half(grid: tuple[float, ...], f: Resolved, g: Resolved) -> tuple[float, ...]:
    """Return a grid on one side, extended for functions that grow."""
    reach = max(f.reach, g.reach)
    return (*grid, *(z for z in (GRID[-1], *OUTER) if GRID[-1] < reach >= z))


def _masses(left: Array, right: Array, own: Array, grid: Array, nodes: int) -> Array:
    """Return the integrals of the density of b times the Legendre polynomials of each panel, by correlation.

    Each panel is cut once more, on the grid of the density that is to be integrated. Shape (n, panels, nodes).
    """
    from numpy.polynomial.legendre import legvander

    x, w = rule(_MASS_NODES)
    ends = own[:, None, None] * grid
    low = np.maximum(left[:, None], ends[:, :, :-1])
    high = np.minimum(right[:, None], ends[:, :, 1:])
    where = np.nonzero(high > low)
    low, width = low[where], (high - low)[where]
    b = low[:, None] + width[:, None] * x
    std, panel = own[where[0], None], where[1]
    density = np.exp(-0.5 * (b / std) ** 2) * w * (width[:, None] / (math.sqrt(2 * math.pi) * std))
    inside = 2 * (b - left[panel, None]) / (right - left)[panel, None] - 1
    parts = np.einsum("mj,mjk->mk", density, legvander(inside, nodes - 1))
    masses = np.zeros((own.size, left.size, nodes))
    np.add.at(masses, where[:2], parts)
    return masses


def _over_a(f: Resolved, g: Resolved, common: Array, b: Array, combine: Combine, nodes: int) -> Array:
    """Return the expectation over a, of variance `1 + common^2`, for every correlation and every b; shape (n, b)."""
    var = 1.0 + common * common
    half = _half(_A_GRID, f, g)
    # f(u) f(-v) is even in a.
    even = g.mirror is f
    grid = math.sqrt(var.max()) * (np.array(half) if even else both_sides(half))
    x, w = rule(nodes)
    step = max(_CHUNK // ((grid.size + f.marks.size + g.marks.size) * nodes), 1)
    found = np.empty((var.size, b.size))
    for start in range(0, b.size, step):
        part = slice(start, start + step)
        d = b[part, None]
        first, second = _ROOT2 * f.marks - d, _ROOT2 * g.marks + d
        marks = np.abs(first) if even else np.concatenate([first, second], axis=1)
        marks = np.clip(marks, grid[0], grid[-1])
        edges = np.sort(np.concatenate([np.broadcast_to(grid, (d.size, grid.size)), marks], axis=1), axis=1)
        width = np.diff(edges, axis=1)[:, :, None]
        a = (edges[:, :-1, None] + width * x).reshape(d.size, -1)
        with np.errstate(all="ignore"):
            weights = (width * w).reshape(d.size, -1)
            weighted = combine(f.f((a + d) / _ROOT2), g.f((a - d) / _ROOT2)) * weights
            weighted[weights == 0.0] = 0.0  # where marks coincide; f may be infinite there
            a *= a
            for i, variance in enumerate(var):
                density = np.exp(a * (-0.5 / variance))
                found[i, part] = np.einsum("ij,ij->i", density, weighted) / math.sqrt(2 * math.pi * variance)
    return 2 * found if even else found
